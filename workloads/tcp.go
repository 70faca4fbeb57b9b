package workloads

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"eventstreamcore/engine"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// tcp runs the engine on the hot CPU and the sender in another process on the
// peer: frames of 78 bytes over one connection of the loopback, as fast as they
// are taken, then at a fixed rate. Every event is read back from the log and
// compared with what was sent.
func tcp(*Bench) []Cell {
	return []Cell{
		{
			Params:  params("frame", "78B", "load", "closed", "connections", "1"),
			Threads: 2, Needs: 2, FloorUnit: "ns/op", Floor: loopbackFloor(frameBytes),
			Open: flooding,
		},
		{
			Params:  params("frame", "v2", "load", fmt.Sprintf("open-%dk", tcpRate/1000), "connections", "1"),
			Threads: 2, Needs: 2, Floor: transferFloor,
			Open: sending,
		},
	}
}

// tcpRate is the rate of the open-loop cell, in events a second.
const tcpRate = 50_000

// tcpMost bounds one closed-loop trial, and so what its log takes: 150 MB.
const tcpMost = 1 << 20

func closedSpec(address string, n int) drive.Spec {
	s := drive.Default(address)
	s.Version, s.Priority, s.Topic = wire.V1, event.High, "bench/rt"
	s.Size = s.PayloadFor(frameBytes)
	s.Schedule, s.Count, s.Duration = drive.Schedule{}, uint64(n), 0
	return s
}

// flooding stores what the sender manages to send.
func flooding(b *Bench) (Trial, error) {
	watch := newBurst(standardEvent(event.High))
	r, err := b.newTCPRig(nil, watch)
	if err != nil {
		return Trial{}, err
	}
	n := 0
	run := func(n int) (Outcome, error) {
		spec, first := closedSpec(r.engine.Addr(), n), r.engine.Stats().Written+1
		out, err := watch.run(b, r, n, func() error { _, err := b.send(spec); return err })
		if err == nil && out.Invalid == "" {
			out.Invalid, err = r.compare(spec, first)
		}
		out.Placed = []record.Placed{{Role: "sender", CPU: b.Peer, Allowed: []int{b.Peer}}}
		return out, err
	}
	return Trial{Close: r.close, Run: func() (Outcome, error) {
		if n == 0 {
			const probe = 1 << 16
			out, err := run(probe)
			if err != nil || out.Invalid != "" {
				return out, err
			}
			n = min(max(int(float64(b.Time)/out.Values[0].Value), probe), tcpMost)
		}
		return run(n)
	}}, nil
}

// sending stores events that are due at fixed times, and times them from there.
func sending(b *Bench) (Trial, error) {
	n := max(int(tcpRate*b.Time.Seconds()), pacedLeast)
	trace, c := metrics.NewTrace(n), newCourse(sentLegs, n)
	r, err := b.newTCPRig(trace, nil)
	if err != nil {
		return Trial{}, err
	}
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		trace.Reset()
		before := r.engine.Stats()
		raw, err := cpu.NewTimeline(b.Clock, cpu.MonotonicRaw)
		if err != nil {
			return out, err
		}
		spec := drive.Default(r.engine.Addr())
		spec.Priority, spec.Topic, spec.Size = event.High, "bench/rt", pipelinePayload
		spec.Schedule = drive.Schedule{Rate: tcpRate}
		spec.Count, spec.Duration, spec.Producer = uint64(n), 0, 1
		report, err := b.send(spec)
		if err != nil {
			return out, err
		}
		if err := r.settled(before.Stored + uint64(n)); err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(n)}
		if !report.KeptUp {
			out.Invalid = fmt.Sprintf("the sender fell %d ns behind its schedule", report.LagNs)
		} else if out.Invalid, err = r.compare(spec, before.Written+1); err != nil {
			return out, err
		}
		if report.Debt != nil {
			out.Noise = debt(report.Debt.P50, report.Debt.P99)
		}
		out.Placed = []record.Placed{{Role: "sender", CPU: b.Peer, Allowed: []int{b.Peer}}}
		c.send(b.Clock, raw, trace.Samples())
		out.Spans = c.spans(nil, nil)
		return out, nil
	}}, nil
}

// newTCPRig is an engine that listens on a port of the system's choice, on
// loopback, fused on the hot CPU.
func (b *Bench) newTCPRig(trace *metrics.Trace, watch *burst) (*rig, error) {
	return b.newRig(func(c *engine.Config) {
		c.Plan, c.Trace = engine.Fused(b.Hot, duty.Spin), trace
		c.TCP.Address = "127.0.0.1:0"
		if watch != nil {
			c.Feeds = []engine.Feed{watch.feed}
		}
	}, watch)
}

// send runs this binary's load command on the peer CPU and returns its report.
func (b *Bench) send(s drive.Spec) (report drive.Report, err error) {
	c := exec.Command(b.Self, "load", "--json", "--quiet", "--addr", s.Address, "--frames", strconv.Itoa(int(s.Version)), "--topic", s.Topic,
		"--rate", strconv.FormatFloat(s.Schedule.Rate, 'f', -1, 64), "--count", strconv.FormatUint(s.Count, 10),
		"--size", strconv.Itoa(s.Size), "--priority", s.Priority.String(), "--producer", strconv.Itoa(int(s.Producer)),
		"--cpu", strconv.Itoa(b.Peer))
	var stderr bytes.Buffer
	c.Stderr, c.Env = &stderr, append(os.Environ(), "GOGC=off")
	stdout, err := c.Output()
	if err != nil {
		return report, fmt.Errorf("sender: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return report, json.Unmarshal(stdout, &report)
}

// compare reads the log from sequence first on and holds it against what spec
// sends, event by event.
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
	for i := range spec.Count {
		if !reader.Next() {
			return fmt.Sprintf("%d of %d events read back: %v", i, spec.Count, reader.Err()), nil
		}
		e := reader.Entry()
		index, err := spec.Index(e.Payload)
		if err != nil || index != i || string(e.Topic) != spec.Topic || e.Priority != spec.Priority {
			return fmt.Sprintf("record %d is event %d, %v, topic %q: %v", i, index, e.Priority, e.Topic, err), nil
		}
	}
	return "", nil
}
