package workloads

import (
	"time"

	"eventstreamcore/engine/control"
)

// controlCells evaluate samples that are due, of a calm engine and of one that
// goes through all states and back; and ask between two evaluations, as the
// dispatcher's thread does on most of its rounds.
func controlCells(*Bench) []Cell {
	cell := func(mode string, make func() loop) Cell {
		return Cell{
			Params: params("mode", mode), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
			Open: func(b *Bench) (Trial, error) { return amortised(b, 1, make(), nil), nil },
		}
	}
	return []Cell{
		cell("calm", func() loop { return evaluating(control.Every, 0) }),
		cell("pressed", func() loop { return evaluating(control.Every, pressedFor) }),
		cell("early", func() loop { return evaluating(0, 0) }),
	}
}

// pressedFor is how many evaluations a flood lasts: the calm that follows is as
// long, which leads half of the way down again.
const pressedFor = 32

// evaluating samples every so often, with all lanes overfull for that many
// samples by turns; 0 is never.
//
//go:noinline
func evaluating(every time.Duration, flood int) loop {
	plane := control.NewPlane(control.Default())
	s := control.Sample{Now: time.Now()}
	plane.Step(s)
	return func(n int) (succeeded int) {
		for i := range n {
			s.Now = s.Now.Add(every)
			s.Received += 10_000
			s.Depth = 0.1
			if flood > 0 && i/flood%2 == 0 {
				s.Depth = 2
			}
			if d := plane.Step(s); d.State <= control.Emergency {
				succeeded++
			}
		}
		return succeeded
	}
}
