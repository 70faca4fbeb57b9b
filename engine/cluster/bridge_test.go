package cluster

import (
	"testing"

	"eventstreamcore/engine/store"
)

// TestAdriftTellsNobody: of a stream with a gap, a replica says only what it knows
// once a group rests on what it has: one that counts for nobody, be it behind its
// last record or behind an earlier one, makes nobody believe that the stream was
// read.
func TestAdriftTellsNobody(t *testing.T) {
	first := numbered(t, 1, 3)
	stray := numbered(t, 4, 2) // behind other records than those
	early := numbered(t, 3, 2)
	two := numbered(t, 1, 2)
	for _, c := range []struct {
		name          string
		next          landing
		stream, index uint64
	}{
		{"a stranger behind the last record", landing{5, stray}, 1, 3},
		{"a stranger behind an earlier one", landing{5, early}, 1, 3},
		{"a group that rests on the last record", landing{5, behind(t, &first, 4, 2)}, 5, 5},
		{"a group that rests on an earlier one", landing{5, behind(t, &two, 3, 2)}, 5, 4},
	} {
		r := newReplica(0, t.TempDir(), nil, nil, quiet(t))
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
		for _, l := range []landing{{1, first}, c.next} {
			if err := r.put(t.Context(), &l); err != nil {
				t.Fatalf("%s: message %d: %v", c.name, l.stream, err)
			}
			if err := r.commit(); err != nil {
				t.Fatal(err)
			}
		}
		if at := r.standing(); at.stream != c.stream || at.index != c.index {
			t.Errorf("%s: it says message %d, %d records; want message %d, %d records", c.name, at.stream, at.index, c.stream, c.index)
		}
		r.log.Close()
	}
}

// behind is numbered, but goes on with the chain of another group.
func behind(t *testing.T, last *group, index uint64, n int) group {
	t.Helper()
	g := numbered(t, index, n)
	g.before = last.after
	g.after = last.after
	g.prev = last.last
	g.last = g.prev + uint64(n)
	g.marks = marks{{g.origin, g.last}}
	if err := g.each(func(e *store.Entry, _ []byte) error {
		g.after = link(g.after, e.Content)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return g
}
