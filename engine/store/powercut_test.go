package store

import (
	"fmt"
	"testing"
)

// cutNow is thrown by the disk at the call where the power goes.
type cutNow struct{}

// powerCuts drives a log and cuts its power n times, at random calls: also
// while it recovers from the cut before. After each it goes on with what a
// random choice of the unsynced sectors, sizes and names left.
func powerCuts(r *rig, n int) error {
	for cut := range n {
		if cut%50 == 0 { // a new log now and then
			r.disk, r.appended, r.safe = newSimDisk(), 0, 0
		}
		left := r.disk.calls + r.rng.IntN(30)
		r.disk.before = func(string) error {
			if r.disk.calls > left {
				panic(cutNow{})
			}
			return nil
		}
		if err := r.untilCut(); err != nil {
			return fmt.Errorf("cut %d: %w", cut, err)
		}
		r.disk = r.disk.crash(r.rng.IntN)
		if cut%4 == 0 { // look at a copy, so that the next recovery meets the same
			if _, err := r.recovered(r.disk.crash(r.rng.IntN)); err != nil {
				return fmt.Errorf("cut %d: %w", cut, err)
			}
		}
	}
	return nil
}

// untilCut opens the log and works until the disk throws.
func (r *rig) untilCut() (err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(cutNow); !ok {
				panic(p)
			}
			if r.log != nil {
				r.note()
			}
		}
		r.log = nil
	}()
	appended, safe := r.appended, r.safe
	rec, err := r.open()
	if err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	if rec.Last < safe || rec.Last > appended {
		return fmt.Errorf("recovered up to %d, %d were durable and %d appended", rec.Last, safe, appended)
	}
	for {
		if r.step(8); r.log == nil {
			if _, err := r.open(); err != nil {
				return fmt.Errorf("refused after a clean close: %w", err)
			}
		}
	}
}

func TestPowerCuts(t *testing.T) {
	n := 10_000
	if underRace {
		n = 500
	}
	for mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			if err := powerCuts(newRig(mode, 11), n); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		r := newRig(Group, 12)
		r.cfg.Direct = true
		if err := powerCuts(r, n/4); err != nil {
			t.Error(err)
		}
	})
}
