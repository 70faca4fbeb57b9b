package engine

import (
	"testing"

	"eventstreamcore/engine/control"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/process"
)

// TestDatagramsThatTheKernelDroppedArePressure: the engine did not come for them,
// which is no better than a lane without room.
func TestDatagramsThatTheKernelDroppedArePressure(t *testing.T) {
	e := unassembled(simConfig())
	e.log, e.dead.log, e.dead.text = &simLog{}, &simLog{}, nowhere{}
	if err := e.assemble(func() (process.Log, duty.Worker) { return &simLog{}, &simLog{} }); err != nil {
		t.Fatal(err)
	}
	defer e.release()
	c := e.controller
	c.stats = func(s *Stats) { s.Received = 9000 }
	unheard := uint64(0)
	c.unheard = func() uint64 { return unheard }
	every := c.clock.Ticks(control.Every.Nanoseconds())
	c.Step(c.first)
	for i, want := range []control.State{control.Healthy, control.Emergency} {
		c.stats = func(s *Stats) { s.Received = 9000 * uint64(i+2) }
		c.Step(c.first + cpu.Ticks(i+1)*every)
		if got := e.Plane.Status(); got.Decision.State != want {
			t.Errorf("%v after %d of 10000 datagrams were dropped, want %v: %+v", got.Decision.State, unheard, want, got.Figures)
		}
		unheard = 2000
	}
}
