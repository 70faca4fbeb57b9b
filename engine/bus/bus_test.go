package bus

import (
	"slices"
	"strings"
	"testing"

	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
)

func TestHandTakesWhatFits(t *testing.T) {
	b := New(Depths{64, 64, 64})
	refs := make([]event.Ref, 100)
	for i := range refs {
		refs[i] = event.Ref(i + 1)
	}
	for lane := range b.Routed {
		l := &b.Routed[lane]
		l.Bell = new(duty.Bell)
		if n := l.Hand(refs); n != 64 {
			t.Errorf("%v lane of 64 took %d of 100", event.Lane(lane), n)
		}
		out := make([]event.Ref, 100)
		if n := l.PopBatch(out); n != 64 || out[0] != 1 || out[63] != 64 {
			t.Errorf("%v lane gave back %d, first %v, last %v", event.Lane(lane), n, out[0], out[63])
		}
		if n := l.Hand(refs[64:]); n != 36 || l.Len() != 36 {
			t.Errorf("%v lane took %d of 36 and holds %d", event.Lane(lane), n, l.Len())
		}
	}
}

func TestDepthsValidate(t *testing.T) {
	if err := DefaultDepths().Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Depths{{0, 64, 64}, {64, 100, 64}, {64, 64, 1 << 25}} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "power of two") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestDividedLanes: each sub-lane is a part of its lane, and producers in a row
// come to all of them alike.
func TestDividedLanes(t *testing.T) {
	b := NewDivided(4, Depths{128, 256, 512}, DropOld, BlockProducer, DropNew)
	if len(b.Routed) != 9 || len(b.Processed) != 9 || b.At(event.LaneTransactional) != 1 || b.At(event.LaneBatch) != 5 {
		t.Fatalf("%d and %d sub-lanes, TRANSACTIONAL from %d, BATCH from %d", len(b.Routed), len(b.Processed), b.At(event.LaneTransactional), b.At(event.LaneBatch))
	}
	for i, want := range []Lane{0: {Parts: 1, Policy: DropOld}, 4: {Parts: 4, Policy: BlockProducer}, 8: {Parts: 4, Policy: DropNew}} {
		if l := b.Routed[i]; want.Parts > 0 && (l.Parts != want.Parts || l.Policy != want.Policy || l.Cap() != []int{0: 128, 4: 64, 8: 128}[i] || b.Processed[i].Cap() != l.Cap()) {
			t.Errorf("sub-lane %d holds %d, is one of %d and does %v", i, l.Cap(), l.Parts, l.Policy)
		}
	}
	for _, k := range []int{1, 2, 4, 16} {
		counts := make([]int, k)
		for p := range uint64(16 * k) {
			counts[Sublane(1+p, k)]++
		}
		if least, most := slices.Min(counts), slices.Max(counts); least < 12 || most > 20 {
			t.Errorf("%d producers over %d sub-lanes: %v", 16*k, k, counts)
		}
	}
}
