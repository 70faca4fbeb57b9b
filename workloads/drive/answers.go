package drive

import (
	"errors"
	"io"
	"net"
	"sync/atomic"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// Ask is the answer that a load wants to each event.
type Ask struct {
	Wanted bool
	Level  wire.Level
}

// flags are those of a frame that asks so.
func (a Ask) flags() uint8 {
	if !a.Wanted {
		return 0
	}
	return wire.WithLevel(a.Level)
}

// times are when the last events were due, or sent in a closed loop: the sender
// writes them, those who hear the answers read them.
type times struct {
	due  []atomic.Int64 // by number, modulo their count; ns after the start
	last atomic.Uint64  // the highest number written, plus 1
}

// timesKept is more than can be on the way: 65,536 open questions a worker of
// the server, and what both kernels hold.
const timesKept = 1 << 20

func newTimes() *times { return &times{due: make([]atomic.Int64, timesKept)} }

func (t *times) note(i uint64, due int64) {
	t.due[i%timesKept].Store(due)
	t.last.Store(i + 1)
}

// of is when event i was due, unless that is forgotten: the oldest place is that
// which the sender may be writing.
func (t *times) of(i uint64) (due int64, known bool) {
	due = t.due[i%timesKept].Load()
	last := t.last.Load()
	return due, i < last && i+timesKept > last
}

// ear hears the answers of one link.
type ear struct {
	counts  [wire.Outcomes]uint64 // by outcome
	reasons [wire.Reasons]uint64  // of what was rejected or dead-lettered
	latency metrics.Histogram     // due to answered
	err     error                 // why it stopped hearing, nil at the stream's end
	done    chan struct{}
}

// hear reads answers until the server closes the link.
func (e *ear) hear(from io.Reader, t *times, raw *cpu.Timeline, start int64) {
	defer close(e.done)
	buffer := make([]byte, 64<<10)
	have := 0
	for {
		n, err := from.Read(buffer[have:])
		now := raw.At(cpu.Now()) - start
		rest := buffer[:have+n]
		for len(rest) >= wire.AnswerSize {
			a, status := wire.DecodeAnswer(rest)
			if status != wire.OK {
				e.err = errors.New("the server sent what is no answer")
				return
			}
			e.note(a, t, now)
			rest = rest[wire.AnswerSize:]
		}
		have = copy(buffer, rest)
		if err != nil {
			if err != io.EOF {
				e.err = err
			}
			return
		}
	}
}

func (e *ear) note(a wire.Answer, t *times, now int64) {
	e.counts[a.Outcome]++
	e.reasons[a.Reason]++
	if due, known := t.of(a.ID&(1<<counterBits-1) - 1); known {
		e.latency.Record(now - due)
	}
}

// Answers is what a load heard.
type Answers struct {
	Outcomes map[string]uint64 `json:"outcomes"`
	Reasons  map[string]uint64 `json:"reasons,omitempty"` // of the rejected and dead-lettered
	Latency  *Quantiles        `json:"latency,omitempty"` // intended -> answered; sent -> answered in a closed loop
	Missing  uint64            `json:"missing"`           // events that asked and heard nothing
}

// newAnswers sums up what the ears heard of the events sent.
func newAnswers(ears []*ear, sent uint64) *Answers {
	a := &Answers{Outcomes: map[string]uint64{}, Reasons: map[string]uint64{}, Missing: sent}
	all := new(metrics.Snapshot)
	for _, e := range ears {
		for o, n := range e.counts {
			if n > 0 {
				a.Outcomes[wire.Outcome(o).String()] += n
				a.Missing -= min(n, a.Missing)
			}
		}
		for r, n := range e.reasons {
			if n > 0 && wire.Reason(r) != wire.ReasonNone {
				a.Reasons[wire.Reason(r).String()] += n
			}
		}
		merge(all, e.latency.Snapshot())
	}
	a.Latency = newQuantiles(all)
	return a
}

func merge(into, from *metrics.Snapshot) {
	for i, n := range from.Counts {
		into.Counts[i] += n
	}
	into.Count += from.Count
	into.Sum += from.Sum
	into.Max = max(into.Max, from.Max)
}

// timedOut reports whether err is a deadline's.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
