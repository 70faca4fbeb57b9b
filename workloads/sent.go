package workloads

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/store"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// sentRate is the usual rate of the open loops from another process, in events a
// second.
const sentRate = 50_000

// sent is the cells of one way over the loopback: an open loop at each rate, and
// the capacity. What is set of the shape adds those of others.
func (b *Bench) sent(spec drive.Spec, before, after []record.Param) (cells []Cell) {
	named := func(keysAndValues ...string) []record.Param {
		return slices.Concat(before, params(keysAndValues...), after)
	}
	for _, rate := range b.Set.numbers("rate", sentRate) {
		for _, s := range b.schedules(rate) {
			if s.Shape != drive.Constant && b.Set["shape"] == nil {
				continue
			}
			cells = append(cells, Cell{
				Params: named("load", "open", "rate", amount(rate)), Threads: 2, Needs: 2, Floor: transferFloor,
				Open: func(b *Bench) (Trial, error) { return sending(b, spec, s) },
			}.with("shape", s.Shape.String(), drive.Constant.String()))
		}
	}
	cells = append(cells, capacityCell(named("load", "capacity"), 2, func(b *Bench) (Trial, error) {
		r, err := b.newSentRig(spec, forCapacity, capacityMost)
		if err != nil {
			return Trial{}, err
		}
		return capacity(b, r, sentMost), nil
	}))
	for i, c := range cells {
		cells[i] = c.with("payload", amount(spec.Size), amount(pipelinePayload))
	}
	return cells
}

// sentSpec is a load of v2 frames; its address, its times and its number of
// events are the rig's.
func sentSpec(payload int) drive.Spec {
	spec := drive.Default("")
	spec.Priority, spec.Topic, spec.Size = event.High, "bench/rt", payload
	spec.Duration, spec.Producer, spec.Stamps = 0, 1, true
	return spec
}

// sentRig is an engine on the hot CPU that listens, and room for what is known
// of each event of one load.
type sentRig struct {
	*rig
	spec   drive.Spec
	trace  *metrics.Trace
	course *course
}

func (b *Bench) newSentRig(spec drive.Spec, why regime, most int) (*sentRig, error) {
	s := &sentRig{spec: spec, trace: why.trace(most), course: newCourse(sentParts, most)}
	s.trace.Stamp(false)
	var err error
	if s.rig, err = b.newPortRig(why.overflow, s.trace, nil); err != nil {
		return nil, err
	}
	if s.spec.Address = s.engine.Addr(); spec.Access.UDP {
		s.spec.Address = s.engine.DatagramAddr()
	}
	return s, nil
}

// newPortRig is an engine that listens on ports of the system's choice, on
// loopback, fused on the hot CPU.
func (b *Bench) newPortRig(overflow bus.Policies, trace *metrics.Trace, watch *burst) (*rig, error) {
	return b.newRig(func(c *engine.Config) {
		c.Plan, c.Trace, c.Overflow = engine.Fused(b.Hot, duty.Spin), trace, overflow
		c.TCP.Address, c.UDP.Address = "127.0.0.1:0", "127.0.0.1:0"
		if watch != nil {
			c.Feeds = []engine.Feed{watch.feed}
		}
	}, watch)
}

// delivery is what came of a load.
type delivery struct {
	drive.Report
	lost  uint64 // datagrams that the kernel dropped, and events that the engine gave up on
	wrong string // why it does not count
}

// run sends n events from the peer and keeps their course.
func (s *sentRig) run(b *Bench, schedule drive.Schedule, n int) (d delivery, err error) {
	s.trace.Reset()
	s.course.staged = s.trace.Staged()
	before := s.engine.Stats()
	line := rawLine{}
	if line.from, err = cpu.ReadAnchor(cpu.MonotonicRaw); err != nil {
		return d, err
	}
	since := marks(s.loops)
	spec := s.spec
	spec.Count, spec.Schedule = uint64(n), schedule
	if d.Report, err = b.send(spec); err != nil {
		return d, err
	}
	if d.lost, d.wrong = s.account(before, uint64(n)); d.wrong != "" {
		return d, nil
	}
	if line.to, err = cpu.ReadAnchor(cpu.MonotonicRaw); err != nil {
		return d, err
	}
	d.ResidualNs += line.uncertainty(b.Clock)
	d.wrong = s.course.send(b.Clock, line, d.Stamps, s.trace.Samples())
	if d.wrong == "" {
		s.course.witness(absences(s.loops, since, s.course.at, b.suspects()))
		d.wrong, err = s.compare(spec, before.Written+1, uint64(n)-d.lost)
	}
	if d.wrong == "" && !d.KeptUp && d.Full == 0 {
		d.wrong = fmt.Sprintf("the sender itself fell %v behind its schedule", time.Duration(d.LagNs).Round(time.Millisecond))
	}
	return d, err
}

// offer sends from the peer CPU.
func (s *sentRig) offer(b *Bench, rate float64, n int) (record.Load, error) {
	began := s.relieve()
	d, err := s.run(b, drive.Schedule{Rate: rate}, n)
	if err != nil {
		return record.Load{}, err
	}
	return newPoint(rate, n, s.course, d.lost, s.state(began), d.wrong), nil
}

func (s *sentRig) beyond() string {
	if s.spec.Access.UDP {
		return beyondLoses
	}
	return beyondHeld
}

// sending stores events that are due at the times of a schedule, and times them
// from there.
func sending(b *Bench, spec drive.Spec, schedule drive.Schedule) (Trial, error) {
	n := b.events(schedule.Rate)
	r, err := b.newSentRig(spec, forLatency, n)
	if err != nil {
		return Trial{}, err
	}
	sent := func() (delivery, error) {
		d, err := r.run(b, schedule, n)
		if err == nil && d.wrong == "" && !d.KeptUp {
			d.wrong = fmt.Sprintf("the engine held the sender, which ended %v behind its schedule", time.Duration(d.LagNs).Round(time.Millisecond))
		}
		return d, err
	}
	return Trial{Close: r.close, Stamps: func() (Stamped, error) {
		return stamped(r.trace, r.course, func() (string, error) { d, err := sent(); return d.wrong, err })
	}, Run: func() (out Outcome, err error) {
		d, err := sent()
		if err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(len(r.course.ways)), Invalid: d.wrong}
		out.Placed = []record.Placed{b.senderPlaced()}
		if d.wrong == "" {
			out.Spans = r.course.spans(nil, nil)
			out.Noise = append(r.course.late(), value("clock-residual-ns", float64(d.ResidualNs)), value("lost", float64(d.lost)))
		}
		return out, nil
	}}, nil
}

func (b *Bench) senderPlaced() record.Placed {
	return record.Placed{Role: "sender", CPU: b.Peer, Allowed: []int{b.Peer}}
}

// send runs this binary's load command on the peer CPU and returns its report,
// with the stamps if the spec asks for them.
func (b *Bench) send(s drive.Spec) (report drive.Report, err error) {
	dir, err := os.MkdirTemp(b.Scratch, "send-")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args, err := loadArguments(s, dir, b.Peer)
	if err != nil {
		return report, err
	}
	c := exec.Command(b.Self, args...)
	var stderr bytes.Buffer
	c.Stderr, c.Env = &stderr, append(os.Environ(), "GOGC=off")
	stdout, err := c.Output()
	if err != nil {
		return report, fmt.Errorf("sender: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	if err := json.Unmarshal(stdout, &report); err != nil || !s.Stamps {
		return report, err
	}
	file, err := os.Open(filepath.Join(dir, stampsFile))
	if err != nil {
		return report, err
	}
	defer file.Close()
	report.Stamps, err = drive.ReadStamps(file)
	return report, err
}

// Files that a sender leaves, or is given.
const (
	stampsFile = "stamps.csv"
	traceFile  = "trace.csv"
)

// loadArguments is the load as esc load is told it. dir takes its files.
func loadArguments(s drive.Spec, dir string, on int) ([]string, error) {
	args := []string{"load", "--json", "--quiet", "--addr", s.Address, "--frames", strconv.Itoa(int(s.Version)), "--topic", s.Topic,
		"--rate", strconv.FormatFloat(s.Schedule.Rate, 'f', -1, 64), "--shape", s.Schedule.Shape.String(),
		"--burst", strconv.Itoa(max(s.Schedule.Burst, 1)), "--seed", strconv.FormatUint(s.Schedule.Seed, 10),
		"--count", strconv.FormatUint(s.Count, 10), "--size", strconv.Itoa(s.Size), "--priority", s.Priority.String(),
		"--producer", strconv.Itoa(int(s.Producer)), "--connections", strconv.Itoa(s.Connections), "--cpu", strconv.Itoa(on)}
	if s.Access.UDP {
		args = append(args, "--udp")
	}
	if s.Stamps {
		args = append(args, "--times", filepath.Join(dir, stampsFile))
	}
	if s.Schedule.Shape != drive.Replay {
		return args, nil
	}
	path := filepath.Join(dir, traceFile)
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return append(args, "--replay", path), errors.Join(writeTrace(file, s.Schedule.Trace), file.Close())
}

func writeTrace(w io.Writer, t drive.Trace) error {
	var text []byte
	for _, at := range t {
		text = append(strconv.AppendInt(text, at, 10), '\n')
	}
	_, err := w.Write(text)
	return err
}

// compare reads as many events as were stored from the log, from sequence first
// on, and holds them against what spec sends: each once, and those of one
// connection in order.
func (r *rig) compare(spec drive.Spec, first, stored uint64) (wrong string, err error) {
	if stored == 0 {
		return "nothing was stored", nil
	}
	if err := r.written(first + stored - 1); err != nil {
		return "", err
	}
	reader, err := store.NewReader(r.events)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	if err := reader.SeekSequence(first); err != nil {
		return "", err
	}
	seen := make([]bool, spec.Count)
	for i := range stored {
		if !reader.Next() {
			return fmt.Sprintf("%d of %d events read back: %v", i, stored, reader.Err()), nil
		}
		e := reader.Entry()
		index, err := spec.Index(e.Payload)
		moved := spec.Connections == 1 && !spec.Access.UDP && index != i
		if err != nil || moved || index >= spec.Count || seen[index] || string(e.Topic) != spec.Topic || e.Priority != spec.Priority {
			return fmt.Sprintf("record %d is event %d, %v, topic %q: %v", i, index, e.Priority, e.Topic, err), nil
		}
		seen[index] = true
	}
	return "", nil
}
