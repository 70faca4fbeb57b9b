package metrics

import (
	"slices"
	"testing"

	"eventstreamcore/engine/cpu"
)

// rounds tells g of rounds of so many ns each, with or without work.
func rounds(g *Gaps, at cpu.Ticks, list ...struct {
	ns     cpu.Ticks
	worked bool
}) cpu.Ticks {
	for _, r := range list {
		before := g.Noted()
		at += r.ns
		if g.Round(at, r.worked); g.Noted() > before {
			at++
			g.Round(at, false) // the round after a gap is not judged
		}
	}
	return at
}

type lap = struct {
	ns     cpu.Ticks
	worked bool
}

func lengths(gaps []Gap) (list []cpu.Ticks) {
	for _, g := range gaps {
		list = append(list, g.To-g.From)
	}
	return list
}

// steady is a noter whose thread is switched away as list says, from one gap to
// the next, and then no more.
func steady(kept int, list ...int64) *Gaps {
	g := NewGaps(cpu.NewClock(1e9), kept)
	var forced int64
	g.switches = func() (int64, int64, int64) {
		if len(list) > 0 {
			forced, list = forced+list[0], list[1:]
		}
		return 0, forced, 0
	}
	return g
}

func TestGapsAreNoted(t *testing.T) {
	g := steady(16, 7, 0, 0) // what came before the first gap is not known to be within it
	at := rounds(g, 1<<40, lap{1, false}, lap{80, false}, lap{999, false}, lap{1000, false}, lap{3_999, true}, lap{20_000, true}, lap{60_000, false}, lap{90, false})
	gaps, lost := g.Since(0)
	if want := []cpu.Ticks{1000, 20_000, 60_000}; !slices.Equal(lengths(gaps), want) || lost != 0 {
		t.Fatalf("gaps %v, %d lost, want %v", lengths(gaps), lost, want)
	}
	if gaps[0].Worked || !gaps[1].Worked || gaps[2].Worked || gaps[1].Away() || !gaps[2].Away() {
		t.Errorf("%+v: the second alone had work, and nothing says that it was away", gaps)
	}
	if gaps[2].To != at-91 {
		t.Errorf("the last gap ends at %d, want %d", gaps[2].To, at-91)
	}
}

// TestSwitchesAreWithinTheirGap: a round with work that the kernel took the CPU
// from was away, and the one after it was not.
func TestSwitchesAreWithinTheirGap(t *testing.T) {
	g := steady(16, 3, 1, 0)
	rounds(g, 1<<40, lap{1, false}, lap{5_000, true}, lap{60_000, true}, lap{400_000, true})
	gaps, _ := g.Since(0)
	if len(gaps) != 3 || gaps[0].Away() || !gaps[1].Away() || gaps[1].Forced != 1 || gaps[2].Away() {
		t.Errorf("%+v, want the second alone to be away, by one switch", gaps)
	}
}

// TestASlowLoopHasNoGapsOfItsOwn: whose idle round takes 600 ns, a system call,
// loses nothing in one of two microseconds.
func TestASlowLoopHasNoGapsOfItsOwn(t *testing.T) {
	g := NewGaps(cpu.NewClock(1e9), 16)
	rounds(g, 1<<40, lap{1, false}, lap{600, false}, lap{2000, false}, lap{2399, false}, lap{2400, false})
	if gaps, _ := g.Since(0); !slices.Equal(lengths(gaps), []cpu.Ticks{2400}) {
		t.Errorf("gaps %v", lengths(gaps))
	}
}

// TestBusyLoopHasNoGapsOfItsOwn: whose every round handles a batch in 10 us is
// not long in one of 30 us, and is in one of 50.
func TestBusyLoopHasNoGapsOfItsOwn(t *testing.T) {
	g := NewGaps(cpu.NewClock(1e9), 256)
	at := rounds(g, 1<<40, lap{1, true})
	for range 200 {
		at = rounds(g, at, lap{10_000, true})
	}
	mark := g.Noted()
	rounds(g, at, lap{30_000, true}, lap{10_000, true}, lap{50_000, true})
	if gaps, _ := g.Since(mark); mark > 64 || !slices.Equal(lengths(gaps), []cpu.Ticks{50_000}) {
		t.Errorf("%d gaps before it was used to it, then %v", mark, lengths(gaps))
	}
}

// TestNotingIsNoGap: noting takes longer than an idle round may.
func TestNotingIsNoGap(t *testing.T) {
	g := NewGaps(cpu.NewClock(1e9), 16)
	at := rounds(g, 1<<40, lap{1, false}, lap{80, false})
	for _, ns := range []cpu.Ticks{5000, 1700, 80, 80} {
		at += ns
		g.Round(at, false)
	}
	if gaps, _ := g.Since(0); !slices.Equal(lengths(gaps), []cpu.Ticks{5000}) {
		t.Errorf("gaps %v: the second is the noting of the first", lengths(gaps))
	}
}

func TestSleepIsNoGap(t *testing.T) {
	g := NewGaps(cpu.NewClock(1e9), 16)
	at := rounds(g, 1<<40, lap{1, false}, lap{80, false})
	g.Skip()
	rounds(g, at+50_000_000, lap{1, false}, lap{80, false})
	if gaps, _ := g.Since(0); len(gaps) != 0 {
		t.Errorf("gaps %v", lengths(gaps))
	}
}

// TestGapsWrap: the oldest go, and are counted.
func TestGapsWrap(t *testing.T) {
	g := NewGaps(cpu.NewClock(1e9), 4)
	at := rounds(g, 1<<40, lap{1, false}, lap{80, false})
	for i := range cpu.Ticks(3) {
		at = rounds(g, at, lap{1000 + i, false})
	}
	mark := g.Noted()
	for i := range cpu.Ticks(6) {
		at = rounds(g, at, lap{2000 + i, false})
	}
	gaps, lost := g.Since(mark)
	if !slices.Equal(lengths(gaps), []cpu.Ticks{2002, 2003, 2004, 2005}) || lost != 2 {
		t.Errorf("gaps %v, %d lost", lengths(gaps), lost)
	}
}

func TestRoundsAllocateNothing(t *testing.T) {
	g := NewGaps(cpu.NewClock(1e9), 4)
	at := cpu.Ticks(1 << 40)
	if n := testing.AllocsPerRun(1000, func() { at += 1500; g.Round(at, false) }); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func BenchmarkGapsRound(b *testing.B) {
	g := NewGaps(cpu.NewClock(1e9), 4)
	at := cpu.Ticks(1 << 40)
	for range b.N {
		at += 80
		g.Round(at, false)
	}
}
