package store

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestSoak repeats the checks with other seeds for as long as ESC_SOAK says
// (as 10m). A failure names its seed.
func TestSoak(t *testing.T) {
	text := os.Getenv("ESC_SOAK")
	if text == "" {
		t.Skip("set ESC_SOAK to a duration")
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("ESC_SOAK: %v", err)
	}
	cuts, flips, states := 0, 0, 0
	for began := time.Now(); time.Since(began) < length; {
		seed := rand.Uint64()
		mode := Mode(seed % uint64(modes))
		r := newRig(mode, seed)
		r.limit = 2 + int(seed>>8%(bodyMax-1))
		r.cfg.SegmentBytes = 8<<10 + int64(seed>>20%8)<<10
		if err := powerCuts(r, 1000); err != nil {
			t.Fatalf("seed %d, power cuts, mode %v: %v", seed, mode, err)
		}
		cuts += 1000
		n, err := soakFlips(mode, seed)
		if err != nil {
			t.Fatalf("seed %d, flips, mode %v: %v", seed, mode, err)
		}
		flips += n
		if n, err = everyCrash(newRig(Group, seed), 100, 0, 12); err != nil {
			t.Fatalf("seed %d, crash states: %v", seed, err)
		}
		states += n
	}
	t.Logf("%d power cuts, %d flips, %d crash states", cuts, flips, states)
}

// soakFlips turns up to three bits at once, anywhere in a log: whatever it then
// says, it must not hold what was never written.
func soakFlips(mode Mode, seed uint64) (cases int, err error) {
	p, err := newSpecimen(mode, seed&1 == 0, flaws{})
	if err != nil {
		return 0, err
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		b := append([]byte(nil), p.bytes...)
		for range 1 + rng.IntN(3) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
		d := diskOf(map[string][]byte{p.name: b})
		l := &Log{cfg: p.rig.cfg, env: p.rig.surroundings(d)}
		if rec, refused := l.recover(); refused == nil {
			if err := readBack(d, rec.Last, p.rig.limit); err != nil {
				return cases, err
			}
		} else if _, err := repair(d, 0); err != nil {
			return cases, err
		} else if _, _, err := ids(d); err != nil && !errors.Is(err, ErrNoLog) { // head and copy bad: the one segment was set aside
			return cases, err
		}
		cases++
	}
	return cases, nil
}
