package store

import (
	"testing"
	"time"
)

// everyCrash drives a log through so many calls of its disk, or more until there
// were so many states: after each call it holds every state that a power cut
// could leave then against what was promised.
func everyCrash(r *rig, calls, least, events int) (states int, err error) {
	r.disk.after = func(call string) {
		if err != nil {
			return
		}
		if r.log != nil {
			r.note()
		}
		states += everyChoice(1<<14, func(choose func(n int) int) {
			left := r.disk.crash(choose)
			if _, bad := r.recovered(left); bad != nil && err == nil {
				err = bad
			}
		})
	}
	for err == nil && (r.disk.calls < calls || states < least) {
		r.step(events)
	}
	return states, err
}

// step does one thing that a log's threads do: n events at most.
func (r *rig) step(n int) {
	if r.log == nil {
		if _, err := r.open(); err != nil {
			panic(err)
		}
	}
	r.now += 3 * time.Millisecond
	if r.rng.IntN(40) == 0 {
		r.log.Close()
		r.note()
		r.log = nil
		return
	}
	r.append(1 + r.rng.IntN(n))
	r.commit()
}

func TestEveryCrashState(t *testing.T) {
	t.Parallel()
	calls, states := 0, 0
	for _, part := range []struct {
		mode                 Mode
		direct               bool
		calls, least, events int
	}{{Group, false, 1000, 24_000, 30}, {Group, true, 400, 16_000, 30}, {Interval, false, 620, 61_000, 4}} {
		if underRace {
			part.calls /= 20
			part.least = 0
		}
		r := newRig(part.mode, 1)
		r.cfg.SegmentBytes, r.cfg.RetainBytes, r.cfg.Direct = 10<<10, 20<<10, part.direct
		n, err := everyCrash(r, part.calls, part.least, part.events)
		if err != nil {
			t.Fatalf("mode %v, call %d: %v", part.mode, r.disk.calls, err)
		}
		t.Logf("mode %v, direct %v: %d calls, %d states", part.mode, part.direct, r.disk.calls, n)
		calls += r.disk.calls
		states += n
	}
	if !underRace && (calls < 2000 || states < 100_000) {
		t.Errorf("%d calls and %d states are too few to rely on", calls, states)
	}
}
