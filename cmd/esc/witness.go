package main

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/store"
	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// witness reads the log that a load by several hosts goes to, where it lies on
// the host of who commands: each event of each sender must be there once. Where
// it is wanted, it times them from the one host to the other besides.
type witness struct {
	dir    string
	oneWay bool
	reader *store.Reader
	apart  clocks // before the trial
}

func newWitness(data string, oneWay bool) (*witness, error) {
	w := &witness{dir: store.EventsDir(data), oneWay: oneWay}
	reader, err := store.NewReader(w.dir)
	if err != nil {
		return nil, fmt.Errorf("--log: %w: is it the data folder of the target's esc serve, on this host?", err)
	}
	w.reader = reader
	return w, nil
}

func (w *witness) close() { w.reader.Close() }

// clocks are this host's two clocks at one moment, in ns. Records bear the time
// of the one, senders are told the other.
type clocks struct {
	raw, real int64
}

func readClocks() (c clocks, err error) {
	clock, err := cpu.Calibrate()
	if err != nil {
		return c, err
	}
	raw, err := cpu.ReadAnchor(cpu.MonotonicRaw)
	if err != nil {
		return c, err
	}
	real, err := cpu.ReadAnchor(cpu.Realtime)
	if err != nil {
		return c, err
	}
	return clocks{raw.Ns + clock.Ns(real.Ticks-raw.Ticks), real.Ns}, nil
}

// before goes to the log's end, and notes the clocks.
func (w *witness) before() (err error) {
	for w.reader.Next() {
	}
	if err := w.reader.Err(); err != nil {
		return fmt.Errorf("--log: %w", err)
	}
	w.apart, err = readClocks()
	return err
}

const witnessWait = 30 * time.Second // for the last events to be written

// after looks for what the senders sent, and adds what it found to the trial.
func (w *witness) after(s *senders, all *record.Run) error {
	now, err := readClocks()
	if err != nil {
		return err
	}
	l := newLookup(s, all)
	drift := (now.real - now.raw) - (w.apart.real - w.apart.raw)
	toRaw := func(real int64) int64 {
		share := float64(real-w.apart.real) / float64(max(now.real-w.apart.real, 1))
		return real - (w.apart.real - w.apart.raw) - int64(share*float64(drift))
	}
	for deadline := time.Now().Add(witnessWait); l.missing() && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for w.reader.Next() {
			e := w.reader.Entry()
			l.see(e.ID, toRaw(e.Wall))
		}
		if err := w.reader.Err(); err != nil {
			return fmt.Errorf("--log: %w", err)
		}
	}
	wrong := l.wrong()
	for i := range all.Rows {
		for j := range all.Rows[i].Trials {
			if t := &all.Rows[i].Trials[j]; wrong != "" && t.Invalid == "" {
				t.Invalid = wrong
			}
		}
	}
	if w.oneWay {
		all.Rows = append(all.Rows, l.row(all.Rows[0], wrong, max(drift, -drift)))
	}
	return nil
}

// lookup is the events of a trial, as they are found.
type lookup struct {
	byProducer map[uint64]*sought
	bound      int64 // ns, of the worst offset
	strange    uint64
	latency    *hdrhistogram.Histogram
	early      int64 // events that were there before they were due, by the two clocks
}

// sought is one sender's events.
type sought struct {
	agent string
	due   []int64 // ns of this host's CLOCK_MONOTONIC_RAW
	seen  []bool
	found int
	twice int
}

// oneWayMost is the longest time that is told apart, and oneWayDigits how well.
const (
	oneWayMost   = int64(time.Hour)
	oneWayDigits = 3
)

func newLookup(s *senders, all *record.Run) *lookup {
	l := &lookup{byProducer: map[uint64]*sought{}, latency: hdrhistogram.New(1, oneWayMost, oneWayDigits)}
	for _, a := range s.all {
		spec, err := a.order.Spec()
		if err != nil {
			panic("esc: " + err.Error()) // it was sent
		}
		pacer, n := drive.NewPacer(spec.Schedule), int(a.run.Rows[0].Trials[0].N)
		e := &sought{agent: a.Agent, due: make([]int64, n), seen: make([]bool, n)}
		for i := range e.due {
			e.due[i] = a.startAt - a.offset.Middle() + pacer.Take()
		}
		l.byProducer[uint64(a.order.Producer)] = e
		l.bound = max(l.bound, a.offset.Bound())
	}
	return l
}

// see notes an event of the log. Others' are none of ours.
func (l *lookup) see(id uint64, received int64) {
	s := l.byProducer[id>>40]
	if s == nil {
		return
	}
	i := id&(1<<40-1) - 1
	if i >= uint64(len(s.seen)) {
		l.strange++
		return
	}
	if s.seen[i] {
		s.twice++
		return
	}
	s.seen[i] = true
	s.found++
	took := received - s.due[i]
	if took < 1 {
		l.early++
	}
	_ = l.latency.RecordValue(min(max(took, 1), oneWayMost)) // it is within the range
}

func (l *lookup) missing() bool {
	for _, s := range l.byProducer {
		if s.found < len(s.seen) {
			return true
		}
	}
	return false
}

// wrong is what is not in the log as it was sent, "" if all is.
func (l *lookup) wrong() string {
	for _, s := range l.byProducer {
		if s.found < len(s.seen) || s.twice > 0 {
			return fmt.Sprintf("of agent %s, %d of %d events are in the log, %d of them twice", s.agent, s.found, len(s.seen), s.twice)
		}
	}
	if l.strange > 0 {
		return fmt.Sprintf("%d events of the log were never sent", l.strange)
	}
	return ""
}

// row is the one-way times, under the names of the row given.
func (l *lookup) row(like record.Row, wrong string, drift int64) record.Row {
	like.Params = append(like.Params[:len(like.Params):len(like.Params)], record.Param{Key: "span", Value: "intended-received"})
	d := judge.NewDistribution("intended-received", l.latency)
	like.Distributions = []record.Distribution{d}
	like.Trials = []record.Trial{{N: d.Count, Invalid: wrong, Encoded: d.Encoded, Values: reports.PercentileValues(d),
		Noise: []record.Value{{Unit: boundUnit, Value: float64(l.bound + drift)}, {Unit: "before-due", Value: float64(l.early)}}}}
	return like
}

// boundUnit is the noise that says how far two hosts' clocks may differ.
const boundUnit = "offset-bound-ns"

// remarkBounds says beside each one-way figure what the worst of its trials was
// good for.
func remarkBounds(rows []record.Row) {
	for i, row := range rows {
		worst := 0.0
		for _, t := range row.Trials {
			for _, v := range t.Noise {
				if v.Unit == boundUnit {
					worst = max(worst, v.Value)
				}
			}
		}
		if worst > 0 {
			rows[i].Notes = []string{fmt.Sprintf("one way, between clocks known to ±%v: no figure is better than that", ns(int64(worst)).Round(100*time.Nanosecond))}
		}
	}
}
