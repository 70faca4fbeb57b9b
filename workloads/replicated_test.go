package workloads

import (
	"net"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
)

// fickle is a port that welcomes and answers, and after so many events breaks off
// without an answer to the last; 0 is never.
type fickle struct {
	net.Listener
	after int

	mu   sync.Mutex
	seen map[uint64]int
}

func newFickle(t *testing.T, after int) *fickle {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fickle{Listener: l, after: after, seen: map[uint64]int{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	return f
}

func (f *fickle) serve(c net.Conn) {
	defer c.Close()
	var held []byte
	buffer := make([]byte, 64<<10)
	for events := 0; ; {
		n, err := c.Read(buffer)
		held = append(held, buffer[:n]...)
		for {
			var frame wire.Frame
			size, status := wire.Decode(held, &frame)
			if status == wire.Hello {
				c.Write(wire.AppendWelcome(nil, 0))
			} else if status != wire.OK {
				break
			} else {
				f.mu.Lock()
				f.seen[frame.ID]++
				f.mu.Unlock()
				if events++; events == f.after {
					return
				}
				answer := wire.Answer{ID: frame.ID, Outcome: wire.Replicated}
				c.Write(answer.Append(nil))
			}
			held = held[size:]
		}
		if err != nil {
			return
		}
	}
}

// TestAskerKeepsAtIt: of two ports one breaks off again and again; in the end
// every event was answered, and none was left to the one that forgot it.
func TestAskerKeepsAtIt(t *testing.T) {
	steady, breaks := newFickle(t, 0), newFickle(t, 100)
	spec := drive.Default("")
	spec.Count, spec.Producer, spec.Ask = 3000, 9, drive.Ask{Wanted: true, Level: wire.LevelReplicated}
	a := newAsker(spec, []string{breaks.Addr().String(), steady.Addr().String()}, 64)
	done := make(chan struct{})
	go func() {
		a.run(t.Context())
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it did not end")
	}
	if wrong := a.unanswered(); wrong != "" || a.heard() != 3000 || a.rate() <= 0 {
		t.Errorf("%s, %d heard", wrong, a.heard())
	}
	if len(breaks.seen) < 100 || len(steady.seen) < 2900 {
		t.Errorf("one port saw %d events, the other %d", len(breaks.seen), len(steady.seen))
	}
	for i := range uint64(3000) {
		if id := 9<<40 | (i + 1); breaks.seen[id]+steady.seen[id] == 0 {
			t.Fatalf("event %d was never sent", i)
		}
	}
}

// TestTally finds the lost and the doubled.
func TestTally(t *testing.T) {
	for name, c := range map[string]struct {
		answered []bool
		seen     []byte
		want     string
	}{
		"all there":               {[]bool{true, true}, []byte{1, 1}, ""},
		"one more than answered":  {[]bool{true, false}, []byte{1, 1}, ""},
		"one lost":                {[]bool{true, true}, []byte{1, 0}, "of 2 events answered 1 are lost and 0 there twice"},
		"one twice":               {[]bool{true, true}, []byte{1, 2}, "of 2 events answered 0 are lost and 1 there twice"},
		"twice, and not answered": {[]bool{true, false}, []byte{1, 2}, "of 1 events answered 0 are lost and 1 there twice"},
		"nothing was answered":    {[]bool{false}, []byte{0}, "of 0 events answered 0 are lost and 0 there twice"},
	} {
		if got := tally(c.answered, c.seen); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestApartIsNotUsual: what takes minutes is listed and runs by name alone.
func TestApartIsNotUsual(t *testing.T) {
	for _, w := range Usual(All) {
		if w.Apart {
			t.Errorf("%s runs unasked", w.Name)
		}
	}
	if len(Usual(All)) == len(All) {
		t.Error("nothing is apart")
	}
}
