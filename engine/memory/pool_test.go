package memory

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"eventstreamcore/engine/event"
)

// channel is the dumbest way home.
type channel chan event.Ref

func (c channel) PushBatch(rs []event.Ref) (n int) {
	for _, r := range rs {
		select {
		case c <- r:
			n++
		default:
			return n
		}
	}
	return n
}

func (c channel) PopBatch(dst []event.Ref) (n int) {
	for n < len(dst) {
		select {
		case dst[n] = <-c:
			n++
		default:
			return n
		}
	}
	return n
}

// testPool is 0, so that a slot with nothing but zeroes in its Ref would show.
const testPool = 0

func smallClasses() Classes { return Classes{{128, 8}, {256, 4}, {1024, 2}, {4096, 1}} }

func newPool(tb testing.TB, classes Classes) *Pool {
	tb.Helper()
	arena, err := NewArena(classes.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { arena.Close() })
	p, err := NewPool(arena, testPool, -1, classes, make(channel, classes.Slots()))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestSlotsDoNotOverlap(t *testing.T) {
	classes := smallClasses()
	p := newPool(t, classes)
	type span struct{ from, to uintptr }
	var spans []span
	for i, class := range classes {
		for range class.Count {
			r, h := p.Acquire(class.Size)
			if r == 0 || int(r.Class()) != i || r.Pool() != testPool {
				t.Fatalf("class %d: got %v", i, r)
			}
			from := uintptr(unsafe.Pointer(h))
			spans = append(spans, span{from, from + uintptr(class.Size)})
		}
		if r, _ := p.Acquire(class.Size); r != 0 {
			t.Fatalf("class %d: an exhausted class handed out %v", i, r)
		}
	}
	for i, a := range spans {
		if a.from%64 != 0 {
			t.Errorf("slot %d is not aligned to a cache line", i)
		}
		for _, b := range spans[:i] {
			if a.from < b.to && b.from < a.to {
				t.Fatalf("slots overlap: %v and %v", a, b)
			}
		}
	}
}

func TestAcquirePicksTheSmallestClassThatFits(t *testing.T) {
	p := newPool(t, smallClasses())
	for size, class := range map[int]uint8{0: 0, 128: 0, 129: 1, 256: 1, 257: 2, 1024: 2, 4096: 3} {
		if r, _ := p.Acquire(size); r.Class() != class {
			t.Errorf("size %d: class %d, want %d", size, r.Class(), class)
		}
	}
	if r, h := p.Acquire(4097); r != 0 || h != nil {
		t.Errorf("a size over the largest class got %v", r)
	}
}

// TestRandomAgainstModel holds the pool against a set of slots that are out.
func TestRandomAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	p := newPool(t, smallClasses())
	out := map[uint32]event.Ref{}
	for range 50_000 {
		switch random.IntN(4) {
		case 0, 1:
			r, _ := p.Acquire(1 + random.IntN(4096))
			if r == 0 {
				continue
			}
			if held, twice := out[r.Line()]; twice {
				t.Fatalf("%v handed out while %v is out", r, held)
			}
			out[r.Line()] = r
		case 2:
			for line, r := range out {
				if random.IntN(2) == 0 {
					p.Release(r)
				} else {
					p.Return([]event.Ref{r})
				}
				delete(out, line)
				break
			}
		case 3:
			p.Reclaim()
		}
	}
	for n := 1; n > 0; {
		n = p.Reclaim()
	}
	free, classes := len(out), smallClasses()
	for i := range classes {
		free += p.Free(i)
	}
	if free != classes.Slots() {
		t.Errorf("%d slots accounted for, want %d", free, classes.Slots())
	}
}

func TestGenerationTellsAStaleRef(t *testing.T) {
	p := newPool(t, smallClasses())
	first, _ := p.Acquire(100)
	p.Release(first)
	second, _ := p.Acquire(100)
	if first.Line() != second.Line() || first == second {
		t.Fatalf("%v and %v: want one slot and two generations", first, second)
	}
	if !checked {
		return
	}
	defer func() {
		if recover() == nil {
			t.Error("a stale Ref came home unnoticed")
		}
	}()
	p.Release(first)
}

func TestReturnNeverLosesASlot(t *testing.T) {
	p := newPool(t, smallClasses())
	p.returns = make(channel, 1)
	a, _ := p.Acquire(100)
	b, _ := p.Acquire(100)
	defer func() {
		if recover() == nil {
			t.Error("a full way home swallowed a slot")
		}
	}()
	p.Return([]event.Ref{a, b})
}

func TestClassesValidate(t *testing.T) {
	for name, spoil := range map[string]func(*Classes){
		"multiple":    func(c *Classes) { c[1].Size = 300 },
		"larger than": func(c *Classes) { c[2].Size = 256 },
		"count":       func(c *Classes) { c[3].Count = 0 },
	} {
		classes := smallClasses()
		spoil(&classes)
		if err := classes.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := DefaultClasses().Validate(); err != nil {
		t.Error(err)
	}
}

func TestAcquireAllocatesNothing(t *testing.T) {
	if checked {
		t.Skip("checked builds keep accounts on the heap")
	}
	p := newPool(t, smallClasses())
	if n := testing.AllocsPerRun(1000, func() { r, _ := p.Acquire(100); p.Release(r) }); n != 0 {
		t.Errorf("%v allocations an acquire, want 0", n)
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	p := newPool(b, DefaultClasses())
	for b.Loop() {
		r, _ := p.Acquire(142)
		p.Release(r)
	}
}
