package drive

import (
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
)

// TestAGapDisturbsWhatWasDueInIt: a loop that turns each 200 ns and is away once
// for 50 us. What was due before its end is disturbed, what comes after is not.
func TestAGapDisturbsWhatWasDueInIt(t *testing.T) {
	a := newAway(cpu.NewClock(1e9))
	at, start := cpu.Ticks(1<<40), cpu.Ticks(1<<40)
	turn := func(ns cpu.Ticks, sent bool) {
		at += ns
		a.round(at, int64(at-start), sent)
	}
	for range 100 {
		turn(200, false)
	}
	turn(50_000, false)
	end := int64(at - start)
	for range 100 {
		turn(200, false)
	}
	if a.lost != (Lost{1, 50_000, 50_000}) {
		t.Errorf("%+v, want one gap of 50 us", a.lost)
	}
	for _, due := range []int64{end - 49_000, end - 1, end, end + 5000} {
		a.record(due, 100)
	}
	if n := a.calm.Snapshot().Count; n != 2 {
		t.Errorf("%d of 4 events are undisturbed, want the two that were due after the gap", n)
	}
	a.slept()
	turn(5_000_000, false)
	if a.lost.Count != 1 {
		t.Errorf("a sleep that was asked for counts as a gap: %+v", a.lost)
	}
	turn(3000, true)
	if a.lost.Count != 1 {
		t.Errorf("a round with a write in it is taken for one that was away: %+v", a.lost)
	}
	var none *away
	none.round(at, 0, false)
	none.record(0, 0)
	none.slept()
}

// TestALoadKnowsItsOwnGaps: all debts are counted, and of the undisturbed no more.
func TestALoadKnowsItsOwnGaps(t *testing.T) {
	spec := newSink(t, nil).spec()
	spec.Schedule.Rate, spec.Count, spec.Duration = 2000, 1000, 0
	r := load(t, spec)
	if r.Lost == nil || r.Debt.Of.Count != 1000 || r.Calm != nil && (r.Calm.Of.Count > 1000 || r.Calm.Max > r.Debt.Max) || r.Lost.Longest > int64(time.Hour) {
		t.Errorf("%+v, debt %+v, undisturbed %+v", r.Lost, r.Debt, r.Calm)
	}
	if r.Lost.Count == 0 && (r.Calm == nil || r.Calm.Of.Count != 1000) {
		t.Errorf("no gap, and %+v of 1000 undisturbed", r.Calm)
	}
}
