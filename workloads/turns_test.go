package workloads

import (
	"testing"

	"eventstreamcore/reports/record"
)

// turned counts what is done with a cell.
type turned struct{ opened, closed, ran int }

func (c *turned) workload(name string, still bool) Workload {
	open := func(*Bench) (Trial, error) {
		c.opened++
		return Trial{Still: still,
			Run: func() (Outcome, error) {
				c.ran++
				return Outcome{Trial: record.Trial{N: 1, Values: []record.Value{value("ns/op", float64(c.ran))}}}, nil
			},
			Close: func() error {
				c.closed++
				return nil
			}}, nil
	}
	floor := func(*Bench) (record.Floor, error) { return record.Floor{Ns: 1}, nil }
	return Workload{Name: name, Cells: func(*Bench) []Cell { return []Cell{{Threads: 1, FloorUnit: "ns/op", Floor: floor, Open: open}} }}
}

// A still cell stays open for its turns; one that is not is opened for each of them,
// and nothing of it is left between two. Only what ran in a turn is a trial.
func TestTurns(t *testing.T) {
	b := small(t)
	b.Trials, b.Time = 3, 8*turnTime
	still, moving := &turned{}, &turned{}
	turns := b.Turns([]Workload{still.workload("still", true), moving.workload("moving", false)})
	if names := turns.Cells(); len(names) != 2 || names[1] != "moving" {
		t.Fatalf("%q", names)
	}
	wants := []int{12, 3} // half of three times eight turns; three trials
	for i, want := range wants {
		if i == 1 {
			turns.Floors = true
		}
		trials, err := turns.Open(i)
		if err != nil || trials != want {
			t.Fatalf("cell %d wants %d trials, %v; want %d", i, trials, err, want)
		}
		for range trials {
			if err := turns.Trial(i); err != nil {
				t.Fatal(err)
			}
			if moving.opened != moving.closed {
				t.Errorf("between turns %+v", *moving)
			}
		}
		if i == 0 && (still.closed > 0 || still.opened > openings) {
			t.Errorf("before it is closed: %+v", *still)
		}
		if err := turns.Close(i); err != nil {
			t.Fatal(err)
		}
	}
	if still.opened != still.closed || still.ran != 12+still.opened || moving.opened != 4 {
		t.Errorf("%+v, %+v", *still, *moving)
	}
	rows := turns.End()
	for i, row := range rows {
		if len(row.Trials) != wants[i] || (row.Floor != nil) != (i == 1) {
			t.Errorf("row %d: %d trials, floor %v", i, len(row.Trials), row.Floor)
		}
	}
	if len(rows) != 2 || rows[0].Trials[11].Noise == nil {
		t.Errorf("%d rows; what disturbed the still one is not said", len(rows))
	}
}

// A cell that this machine cannot run wants no turns and says why.
func TestTurnsSkips(t *testing.T) {
	b := small(t)
	c := (&turned{}).workload("large", true)
	large := Workload{Name: c.Name, Cells: func(b *Bench) []Cell {
		cells := c.Cells(b)
		cells[0].Needs = len(b.Allowed) + 1
		return cells
	}}
	turns := b.Turns([]Workload{large})
	if trials, err := turns.Open(0); err != nil || trials != 0 {
		t.Errorf("%d trials, %v", trials, err)
	}
	if err := turns.Close(0); err != nil {
		t.Error(err)
	}
	if rows := turns.End(); len(rows) != 1 || rows[0].Skipped == "" {
		t.Errorf("%+v", rows)
	}
}
