package cluster

import "testing"

// TestHandedOverInOrder: a group that is handed over is taken if it is the
// next, passed over if the replica has it, and otherwise left to be read.
func TestHandedOverInOrder(t *testing.T) {
	r := newReplica(0, t.TempDir(), nil, nil, quiet(t))
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	defer func() { r.log.Close() }()
	first := numbered(t, 1, 3)
	gap := group{epoch: 1, index: 9, before: 5, after: 5}
	for _, step := range []struct {
		landing
		whole         bool
		stream, index uint64
	}{
		{landing{2, gap}, false, 0, 0},
		{landing{1, first}, true, 1, 3},
		{landing{1, first}, true, 1, 3},
		{landing{3, gap}, false, 1, 3},
		{landing{2, gap}, true, 2, 3}, // the next message, which counts for nobody
	} {
		whole, err := r.accept(t.Context(), &step.landing)
		if err != nil || whole != step.whole || r.end.stream != step.stream || r.end.index != step.index {
			t.Fatalf("message %d: %v, %v, then at message %d with %d records; want %v, message %d, %d records",
				step.landing.stream, whole, err, r.end.stream, r.end.index, step.whole, step.stream, step.index)
		}
	}
	for range 2 * landedMax { // who hands over never waits
		r.land(landing{1, first})
	}
	if whole, err := r.acceptAll(t.Context()); !whole || err != nil || r.end.index != 3 {
		t.Errorf("%v, %v, %d records", whole, err, r.end.index)
	}
}
