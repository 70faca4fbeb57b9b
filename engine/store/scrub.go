package store

import (
	"errors"
	"time"
)

const (
	scrubPause = time.Minute            // between two readings of the whole log
	scrubSlice = 100 * time.Millisecond // how long it may run ahead of its rate
)

// Damage is the first damage that the scrub has met in the segments already
// written, or nil. The log goes on: what is damaged was safe once, and repair
// needs it alone.
func (l *Log) Damage() *Damage { return l.damaged.Load() }

// scrubbing makes the indexes that are missing, then reads all full segments
// again and again, at ScrubRate.
func (l *Log) scrubbing() {
	pace := &pace{rate: l.cfg.ScrubRate, stop: l.stop}
	for first := true; ; first = false {
		if !first && !pace.wait(scrubPause) {
			return
		}
		l.scrub(pace, first)
		if l.cfg.ScrubRate == 0 {
			return
		}
	}
}

// scrub reads every full segment once. What cannot be read now is left to the
// next time: retention may have taken it.
func (l *Log) scrub(pace *pace, index bool) {
	parts, err := listParts(l.env.disk)
	if err != nil {
		return
	}
	for i := 0; i+1 < len(parts) && parts[i].first < l.active.Load() && pace.wait(0); i++ {
		if index && parts[i].bad == nil {
			l.reindex(&parts[i])
		}
		if pace.rate == 0 {
			continue
		}
		if d := l.inspect(parts, i, pace); d != nil {
			l.damaged.CompareAndSwap(nil, d)
		}
	}
}

// inspect reads one segment and says what is wrong with it.
func (l *Log) inspect(parts []part, i int, pace *pace) *Damage {
	v := survey{disk: l.env.disk, parts: parts[i : i+1]}
	v.visit = func(i int, g *span) error {
		if !pace.spend(g.end - g.at) {
			return errStopped
		}
		return v.contents(i, g)
	}
	if err := v.run(0); errors.Is(err, errStopped) {
		return nil
	} else if err != nil {
		return &Damage{Segment: parts[i].name, At: v.at, First: max(v.next, parts[i].first), Why: err}
	}
	for _, d := range v.damages {
		if d.sure || d.Last != 0 {
			return &d
		}
	}
	if next := parts[i+1].first; v.next != 0 && v.next < next { // 0: retention took it meanwhile
		return &Damage{Segment: parts[i].name, At: v.at, Next: parts[i+1].name, NextAt: headerSize, First: v.next, Last: next - 1, Why: ErrGap}
	}
	return nil
}

var errStopped = errors.New("stopped")

// pace holds work to a rate.
type pace struct {
	rate int64 // bytes a second
	stop <-chan struct{}
	owed time.Duration
}

// spend waits as long as n bytes take at the rate. It is false once stopped.
func (p *pace) spend(n int64) bool {
	p.owed += time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
	if p.owed < scrubSlice {
		return true
	}
	owed := p.owed
	p.owed = 0
	return p.wait(owed)
}

// wait is false if stopped before d is over.
func (p *pace) wait(d time.Duration) bool {
	select {
	case <-p.stop:
		return false
	default:
	}
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.stop:
		return false
	case <-timer.C:
		return true
	}
}
