package bus

import (
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
