package reports

import (
	"slices"
	"testing"

	"eventstreamcore/reports/record"
)

func TestReadBack(t *testing.T) {
	one := 1
	rows := []record.Row{
		{Placed: []record.Placed{{Role: "engine", CPU: 1, Allowed: []int{1}, Ran: &one}, {Role: "sender", CPU: 0, Allowed: []int{0}}}},
		{Placed: []record.Placed{{Role: "engine", CPU: 1, Allowed: []int{1}, Ran: &one}},
			Slabs: []record.Slab{{Name: "pool 0", Pages: []record.NodePages{{Node: -1, Pages: 2}, {Node: 0, Pages: 9}}}}},
	}
	want := []string{"engine allowed 1, ran on 1", "pool 0: 2 pages untouched, 9 pages on node 0"}
	if got := readBack(rows); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
