package workloads

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
)

// asker is a client in closed loop that keeps at it: it has so many events open,
// and sends what was not answered to the next address when one breaks off or is
// silent. It knows of each event whether it was answered.
type asker struct {
	spec      drive.Spec // of which Count is how many at the most
	addresses []string
	window    int // events open, at the most

	mu       sync.Mutex
	turn     sync.Cond // of mu: an answer came, or something ended
	answered []bool
	next     int // events sent once at least
	done     int // of them answered
	broken   bool
	ending   bool
	began    time.Time
	last     time.Time     // when an answer came last
	outage   time.Duration // the longest time without one
	refused  map[wire.Reason]int
}

const (
	askSilence = 1500 * time.Millisecond // then another address is asked
	askBatch   = 256                     // events a write
	askPause   = 100 * time.Millisecond  // before a connection is tried again
)

func newAsker(spec drive.Spec, addresses []string, window int) *asker {
	a := &asker{spec: spec, addresses: addresses, window: window, answered: make([]bool, spec.Count), refused: map[wire.Reason]int{}}
	a.turn.L = &a.mu
	return a
}

// run asks until all is answered, or end was called, or ctx is done.
func (a *asker) run(ctx context.Context) {
	defer context.AfterFunc(ctx, a.end)()
	a.began, a.last = time.Now(), time.Now()
	for at := 0; !a.over(); at++ {
		conn, err := drive.Connect(ctx, a.addresses[at%len(a.addresses)], drive.Access{})
		if err != nil {
			time.Sleep(askPause)
			continue
		}
		a.session(conn)
		conn.Close()
	}
}

// end lets run return.
func (a *asker) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ending = true
	a.turn.Broadcast()
}

func (a *asker) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ending || a.done == len(a.answered)
}

// session sends to one address until that breaks off, or all is over.
func (a *asker) session(conn net.Conn) {
	var ear sync.WaitGroup
	defer ear.Wait()
	defer conn.Close()
	a.mu.Lock()
	a.broken = false
	a.mu.Unlock()
	ear.Go(func() { a.listen(conn) })
	var text []byte
	for batch := a.open(); batch != nil; batch = a.more() {
		text = text[:0]
		for _, i := range batch {
			f := a.spec.Expect(uint64(i))
			text = f.Append(text)
		}
		conn.SetWriteDeadline(time.Now().Add(askSilence))
		if _, err := conn.Write(text); err != nil {
			return
		}
	}
}

// open is what was sent and not answered: never nil.
func (a *asker) open() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	again := make([]int, 0, a.window)
	for i := range a.next {
		if !a.answered[i] {
			again = append(again, i)
		}
	}
	return again
}

// more waits for room, and is what to send next; nil when this address, or all,
// is over.
func (a *asker) more() (batch []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.broken && !a.ending && a.done < len(a.answered) && (a.next-a.done >= a.window || a.next == len(a.answered)) {
		a.turn.Wait()
	}
	if a.broken || a.ending {
		return nil
	}
	for len(batch) < askBatch && a.next-a.done < a.window && a.next < len(a.answered) {
		batch = append(batch, a.next)
		a.next++
	}
	return batch
}

// listen hears answers until the connection breaks, or is silent.
func (a *asker) listen(conn net.Conn) {
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.broken = true
		a.turn.Broadcast()
	}()
	buffer, have := make([]byte, 64<<10), 0
	for {
		conn.SetReadDeadline(time.Now().Add(askSilence))
		n, err := conn.Read(buffer[have:])
		rest := buffer[:have+n]
		a.mu.Lock()
		for len(rest) >= wire.AnswerSize {
			answer, status := wire.DecodeAnswer(rest)
			if status != wire.OK {
				err = fmt.Errorf("no answer: %v", status)
				break
			}
			a.hear(answer)
			rest = rest[wire.AnswerSize:]
		}
		a.turn.Broadcast()
		a.mu.Unlock()
		have = copy(buffer, rest)
		if err != nil {
			return
		}
	}
}

// hear notes one answer. An event that was sent twice may be a duplicate, which
// says that the first is as safe as was asked.
func (a *asker) hear(answer wire.Answer) {
	if answer.Outcome == wire.Rejected || answer.Outcome == wire.DeadLettered {
		a.refused[answer.Reason]++
		return
	}
	i := int(answer.ID&(1<<40-1)) - 1
	if i < 0 || i >= len(a.answered) || a.answered[i] {
		return
	}
	a.answered[i] = true
	a.done++
	now := time.Now()
	a.outage = max(a.outage, now.Sub(a.last))
	a.last = now
}

// heard is how many events were answered.
func (a *asker) heard() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

// restart begins to look for the longest time without an answer anew, and is
// what it was.
func (a *asker) restart() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.outage
	a.outage, a.last = 0, time.Now()
	return was
}

// rate is events a second, from the first sent to the last answered.
func (a *asker) rate() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return float64(a.done) / a.last.Sub(a.began).Seconds()
}
