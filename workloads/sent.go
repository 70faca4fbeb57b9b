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
	"strconv"
	"strings"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/store"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// sentRate is the usual rate of the open loops from another process, in events a
// second.
const sentRate = 50_000

// sentSpec is such a load; its address and its number of events are the rig's.
func sentSpec(s drive.Schedule, payload int) drive.Spec {
	spec := drive.Default("")
	spec.Priority, spec.Topic, spec.Size = event.High, "bench/rt", payload
	spec.Schedule, spec.Duration, spec.Producer, spec.Stamps = s, 0, 1, true
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

func (b *Bench) newSentRig(spec drive.Spec, most int) (*sentRig, error) {
	s := &sentRig{spec: spec, trace: metrics.NewTrace(most), course: newCourse(sentLegs, most)}
	var err error
	s.rig, err = b.newTCPRig(s.trace, nil)
	return s, err
}

// run sends n events from the peer and keeps their course. wrong says why the
// run does not count.
func (s *sentRig) run(b *Bench, schedule drive.Schedule, n int) (report drive.Report, wrong string, err error) {
	s.trace.Reset()
	before := s.engine.Stats()
	line := rawLine{}
	if line.from, err = cpu.ReadAnchor(cpu.MonotonicRaw); err != nil {
		return report, "", err
	}
	since := marks(s.loops)
	spec := s.spec
	spec.Address, spec.Count, spec.Schedule = s.engine.Addr(), uint64(n), schedule
	if report, err = b.send(spec); err != nil {
		return report, "", err
	}
	if wrong = s.account(before, uint64(n)); wrong != "" {
		return report, wrong, nil
	}
	if line.to, err = cpu.ReadAnchor(cpu.MonotonicRaw); err != nil {
		return report, "", err
	}
	report.ResidualNs += line.uncertainty(b.Clock)
	if wrong = s.course.send(b.Clock, line, report.Stamps, s.trace.Samples()); wrong == "" {
		s.course.witness(absences(s.loops, since, s.course.at, b.guest))
		wrong, err = s.compare(spec, before.Written+1)
	}
	return report, wrong, err
}

// sending stores events that are due at the times of a schedule, and times them
// from there.
func sending(b *Bench, spec drive.Spec) (Trial, error) {
	n := b.events(spec.Schedule.Rate)
	r, err := b.newSentRig(spec, n)
	if err != nil {
		return Trial{}, err
	}
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		report, wrong, err := r.run(b, spec.Schedule, n)
		if err != nil {
			return out, err
		}
		if wrong == "" && !report.KeptUp {
			wrong = fmt.Sprintf("the sender fell %d ns behind its schedule", report.LagNs)
		}
		out.Trial = record.Trial{N: int64(n), Invalid: wrong}
		out.Placed = []record.Placed{b.senderPlaced()}
		if wrong == "" {
			out.Spans = r.course.spans(nil, nil)
			out.Noise = append(r.course.late(), value("clock-residual-ns", float64(report.ResidualNs)))
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

// compare reads the log from sequence first on and holds it against what spec
// sends, event by event: each once, and those of one connection in order.
func (r *rig) compare(spec drive.Spec, first uint64) (wrong string, err error) {
	if err := r.written(first + spec.Count - 1); err != nil {
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
	for i := range spec.Count {
		if !reader.Next() {
			return fmt.Sprintf("%d of %d events read back: %v", i, spec.Count, reader.Err()), nil
		}
		e := reader.Entry()
		index, err := spec.Index(e.Payload)
		moved := spec.Connections == 1 && index != i
		if err != nil || moved || index >= spec.Count || seen[index] || string(e.Topic) != spec.Topic || e.Priority != spec.Priority {
			return fmt.Sprintf("record %d is event %d, %v, topic %q: %v", i, index, e.Priority, e.Topic, err), nil
		}
		seen[index] = true
	}
	return "", nil
}
