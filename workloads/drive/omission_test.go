package drive

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine/wire"
)

// A server that stalls once, for T, makes every event wait that is due within
// the stall: the first of them T, each later one by a period less. So of n events
// at the rate R the i-th slowest takes T - i/R, and the percentiles are known.
// A generator that counts from when it got round to sending sees one slow event
// instead: coordinated omission.

// fake is a clock that only moves when somebody waits.
type fake struct{ now int64 }

const fakeSpin = 1000 // ns that the sender's wait takes: it wakes that late at most

func (f *fake) wait(ns int64) { f.now += min(max(ns, 1), fakeSpin) }

// stub is a server at the other end of a connection: it takes no time to read,
// but for one stall.
type stub struct {
	net.Conn
	clock   *fake
	stallAt int64
	stall   int64
	latency *hdrhistogram.Histogram // intended to read
	broken  error
}

func (s *stub) Write(b []byte) (int, error) {
	if s.stall > 0 && s.clock.now >= s.stallAt {
		s.clock.now += s.stall
		s.stall = 0
	}
	var f wire.Frame
	for rest := b; len(rest) > 0; {
		n, status := wire.Decode(rest, &f)
		if status != wire.OK {
			s.broken = fmt.Errorf("frame: %v", status)
			break
		}
		if err := s.latency.RecordValue(max(s.clock.now-int64(f.Intended), 1)); err != nil {
			s.broken = err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// leaky is the classic leak: the time of waking up replaces the intended one.
type leaky struct {
	*Pacer
	clock *fake
}

func (l leaky) Take() int64 {
	l.Pacer.Take()
	return l.clock.now
}

// stalled drives the stub in open loop on the fake clock.
func stalled(t *testing.T, rate float64, n uint64, stall time.Duration, leak bool) *hdrhistogram.Histogram {
	t.Helper()
	spec := Default("")
	spec.Schedule.Rate, spec.Count, spec.Producer = rate, n, 1
	clock := &fake{now: 1}
	server := &stub{clock: clock, stallAt: 10_000_000, stall: stall.Nanoseconds(), latency: hdrhistogram.New(1, 60_000_000_000, 3)}
	s := prepared(spec)
	s.links = []*link{{Conn: server}}
	s.now, s.wait = func() int64 { return clock.now }, clock.wait
	p := pacer(NewPacer(spec.Schedule))
	if leak {
		p = leaky{NewPacer(spec.Schedule), clock}
	}
	if err := s.openLoop(p); err != nil || server.broken != nil {
		t.Fatal(err, server.broken)
	}
	if got := server.latency.TotalCount(); got != int64(n) || s.report.Sent != n {
		t.Fatalf("%d events read and %d sent, of %d", got, s.report.Sent, n)
	}
	return server.latency
}

func TestAStallIsCountedAgainstEveryEventItDelayed(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		n     uint64
		stall time.Duration
	}{{100_000, 100_000, 100 * time.Millisecond}, {10_000, 50_000, time.Second}, {1_000_000, 300_000, 3 * time.Millisecond}, {50_000, 50_000, 0}} {
		if err := FollowsStall(stalled(t, c.rate, c.n, c.stall, false), c.rate, c.stall, fakeSpin); err != nil {
			t.Errorf("%v events/s, stalled for %v: %v", c.rate, c.stall, err)
		}
		if c.stall == 0 {
			continue
		}
		leaked := stalled(t, c.rate, c.n, c.stall, true)
		if err := FollowsStall(leaked, c.rate, c.stall, fakeSpin); err == nil {
			t.Errorf("%v events/s, stalled for %v: a sender that counts from its waking up passes, with a P99 of %d ns", c.rate, c.stall, leaked.ValueAtPercentile(99))
		}
	}
}
