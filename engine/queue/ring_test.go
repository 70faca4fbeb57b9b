package queue

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// ring is what both rings can do.
type ring interface {
	Push(event.Ref) bool
	PushBatch([]event.Ref) int
	Pop() (event.Ref, bool)
	PopBatch([]event.Ref) int
	Len() int
	Cap() int
	startAt(uint64)
}

// sliceQueue is the rings' dumb twin. It holds back up to lag slots that were
// popped singly, as an MPSC does.
type sliceQueue struct {
	items   []event.Ref
	depth   int
	next    uint64 // the position to pop next
	given   uint64 // up to here slots were given back
	lag     uint64
	physics int // slots
}

func (s *sliceQueue) free() int { return s.depth - len(s.items) - int(s.next-s.given) }

func (s *sliceQueue) push(rs ...event.Ref) int {
	n := min(len(rs), max(0, s.free()))
	s.items = append(s.items, rs[:n]...)
	return n
}

func (s *sliceQueue) pushOver(r event.Ref) bool {
	if len(s.items) == s.physics {
		return false
	}
	s.items = append(s.items, r)
	return true
}

func (s *sliceQueue) pop() (event.Ref, bool) {
	if len(s.items) == 0 {
		s.given = s.next
		return 0, false
	}
	r := s.items[0]
	s.items = s.items[1:]
	if s.next++; s.next%s.lag == 0 {
		s.given = s.next
	}
	return r, true
}

func (s *sliceQueue) popBatch(dst []event.Ref) int {
	n := copy(dst, s.items)
	s.items = s.items[n:]
	s.next += uint64(n)
	s.given = s.next
	return n
}

// maxRef has every bit that a queue must carry.
const maxRef = event.Ref(1)<<event.RefBits - 1

// TestRingTwins holds each ring, from short of the wrap-around, to the twin.
func TestRingTwins(t *testing.T) {
	const operations = 12_000 // in each of 18 rings
	for _, slots := range []int{1, 2, 4, 8, 64, 1024} {
		for _, depth := range []int{slots, (slots + 1) / 2} {
			t.Run(fmt.Sprintf("spsc/slots=%d/depth=%d", slots, depth), func(t *testing.T) {
				q := NewSPSC(make([]event.Ref, slots), depth)
				twin := &sliceQueue{depth: depth, physics: slots, lag: 1, next: nearWrap, given: nearWrap}
				compare(t, q, twin, operations)
			})
		}
		t.Run(fmt.Sprintf("mpsc/slots=%d", slots), func(t *testing.T) {
			q := NewMPSC(make([]event.Ref, slots))
			twin := &sliceQueue{depth: slots, physics: slots, lag: q.lag + 1, next: nearWrap, given: nearWrap}
			compare(t, q, twin, operations)
		})
	}
}

func compare(t *testing.T, q ring, twin *sliceQueue, operations int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(twin.physics)))
	q.startAt(twin.next)
	next, most := uint64(0), min(2*twin.physics, 100)
	fresh := func(n int) []event.Ref {
		rs := make([]event.Ref, n)
		for i := range rs {
			rs[i] = maxRef - event.Ref(next)
			next++
		}
		return rs
	}
	for i := range operations {
		var got, want any
		verb := rng.IntN(6)
		switch verb {
		case 0:
			r := fresh(1)
			got, want = q.Push(r[0]), twin.push(r...) == 1
		case 1:
			rs := fresh(rng.IntN(most + 1))
			got, want = q.PushBatch(rs), twin.push(rs...)
		case 2, 3:
			r, ok := q.Pop()
			wantR, wantOK := twin.pop()
			got, want = popped{r, ok}, popped{wantR, wantOK}
		case 4:
			n := rng.IntN(most + 1)
			dst, wantDst := make([]event.Ref, n), make([]event.Ref, n)
			got, want = q.PopBatch(dst), twin.popBatch(wantDst)
			if !reflect.DeepEqual(dst, wantDst) {
				t.Fatalf("operation %d: PopBatch gave %v, want %v", i, dst, wantDst)
			}
		case 5:
			got, want = over(q, twin, fresh(1)[0])
		}
		if got != want {
			t.Fatalf("operation %d, verb %d: got %v, want %v", i, verb, got, want)
		}
		if got, want := q.Len(), len(twin.items)+int(twin.next-twin.given); got != want {
			t.Fatalf("operation %d: Len %d, want %d", i, got, want)
		}
	}
}

// over is what only an SPSC can do.
func over(q ring, twin *sliceQueue, r event.Ref) (got, want any) {
	s, ok := q.(*SPSC)
	if !ok {
		return nil, nil
	}
	got = surplus{s.PushOver(r), s.Excess()}
	return got, surplus{twin.pushOver(r), max(0, len(twin.items)-twin.depth)}
}

// What two verbs answered.
type (
	popped struct {
		r  event.Ref
		ok bool
	}
	surplus struct {
		pushed bool
		excess int
	}
)

func TestRingsRefuseBadMemory(t *testing.T) {
	for _, c := range []struct {
		make func()
		want string
	}{
		{func() { NewSPSC(nil, 1) }, "0 slots: give a power of two, such as 1"},
		{func() { NewSPSC(make([]event.Ref, 1000), 1) }, "1000 slots: give a power of two, such as 1024"},
		{func() { NewSPSC(make([]event.Ref, 8), 9) }, "depth 9 of a ring of 8 slots: give 1 to 8"},
		{func() { NewSPSC(make([]event.Ref, 8), 0) }, "depth 0 of a ring of 8 slots"},
		{func() { NewMPSC(make([]event.Ref, 12)) }, "12 slots: give a power of two, such as 16"},
	} {
		if got := panicOf(c.make); !strings.Contains(got, c.want) {
			t.Errorf("panic %q, want one with %q", got, c.want)
		}
	}
}

func panicOf(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return ""
}

// TestMPSCCleansItsMemory: what lay in the slots must not pass for events.
func TestMPSCCleansItsMemory(t *testing.T) {
	slots := make([]event.Ref, 8)
	for i := range slots {
		slots[i] = ^event.Ref(0)
	}
	if r, ok := NewMPSC(slots).Pop(); ok {
		t.Errorf("a new ring gave %#x", uint64(r))
	}
}

// TestMPSCStalledProducer: a claim that is not yet published hides what comes
// after it, takes up its room, and loses nothing.
func TestMPSCStalledProducer(t *testing.T) {
	q := NewMPSC(make([]event.Ref, 8))
	q.startAt(nearWrap)
	at, n := q.claim(3)
	if n != 3 {
		t.Fatalf("claimed %d of 3", n)
	}
	if n := q.PushBatch([]event.Ref{4, 5, 6, 7, 8, 9}); n != 5 {
		t.Fatalf("5 slots left, %d taken", n)
	}
	if q.Push(10) {
		t.Fatal("pushed into a full ring")
	}
	var dst [8]event.Ref
	if n := q.PopBatch(dst[:]); n != 0 {
		t.Fatalf("popped %d past a stalled producer", n)
	}
	q.fill(at+1, []event.Ref{2, 3})
	if r, ok := q.Pop(); ok {
		t.Fatalf("popped %d of a claim that is not published", r)
	}
	q.word(at).Store(q.filled(at, 1))
	if n := q.PopBatch(dst[:]); n != 8 || dst != [8]event.Ref{1, 2, 3, 4, 5, 6, 7, 8} {
		t.Fatalf("popped %d: %v", n, dst)
	}
}

// TestSPSCKeepsTheNewest is the life of a lane that drops its oldest.
func TestSPSCKeepsTheNewest(t *testing.T) {
	q := NewSPSC(make([]event.Ref, 16), 4)
	for r := event.Ref(1); r <= 17; r++ {
		if pushed := q.PushOver(r); pushed != (r <= 16) {
			t.Fatalf("PushOver(%d) = %v", r, pushed)
		}
	}
	if q.Push(99) || q.PushBatch([]event.Ref{99}) != 0 {
		t.Fatal("pushed into a ring beyond its depth")
	}
	var dropped []event.Ref
	for range q.Excess() {
		r, _ := q.Pop()
		dropped = append(dropped, r)
	}
	if len(dropped) != 12 || dropped[11] != 12 || q.Excess() != 0 || q.Len() != q.Cap() {
		t.Fatalf("dropped %v, then %d beyond depth, %d held", dropped, q.Excess(), q.Len())
	}
}

// TestRingLayout: what one side writes lies two lines from what others touch.
func TestRingLayout(t *testing.T) {
	var s SPSC
	var m MPSC
	apart(t, "SPSC", unsafe.Sizeof(s), []span{
		{"settings", unsafe.Offsetof(s.slots), unsafe.Offsetof(s.depth) + 8},
		{"producer", unsafe.Offsetof(s.tail), unsafe.Offsetof(s.headSeen) + 8},
		{"consumer", unsafe.Offsetof(s.head), unsafe.Offsetof(s.tailSeen) + 8},
	})
	apart(t, "MPSC", unsafe.Sizeof(m), []span{
		{"settings", unsafe.Offsetof(m.slots), unsafe.Offsetof(m.lag) + 8},
		{"producers", unsafe.Offsetof(m.tail), unsafe.Offsetof(m.headSeen) + 8},
		{"consumer", unsafe.Offsetof(m.head), unsafe.Offsetof(m.next) + 8},
	})
}

// span is a group of fields from one offset to another.
type span struct {
	name     string
	from, to uintptr
}

func apart(t *testing.T, structure string, size uintptr, spans []span) {
	t.Helper()
	const gap = 2 * cpu.CacheLine
	end := uintptr(0)
	for _, s := range spans {
		if s.from < end+gap {
			t.Errorf("%s: %s starts at %d, less than %d behind %d", structure, s.name, s.from, gap, end)
		}
		if s.to-s.from > cpu.CacheLine {
			t.Errorf("%s: %s takes %d bytes, more than a line", structure, s.name, s.to-s.from)
		}
		end = s.to
	}
	if size < end+gap {
		t.Errorf("%s: ends %d behind its last group, want %d", structure, size-end, gap)
	}
}

func TestRingsDoNotAllocate(t *testing.T) {
	for name, q := range map[string]ring{
		"SPSC": NewSPSC(make([]event.Ref, 64), 64),
		"MPSC": NewMPSC(make([]event.Ref, 64)),
	} {
		var in, out [40]event.Ref
		if n := testing.AllocsPerRun(1000, func() {
			q.Push(1)
			q.Pop()
			q.PushBatch(in[:])
			q.PopBatch(out[:])
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
