package workloads

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/store"
	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// rig is a running engine under test, with its log in a folder of its own that
// goes when it is closed.
type rig struct {
	engine  *engine.Engine
	events  string // folder of the log
	stop    context.CancelFunc
	ended   chan error
	dropped uint64 // datagrams, by the kernel, before the present trial
	lossy   bool   // the engine may give up on events: they are lost, and counted
	small   bool   // the machine: other threads share the engine's CPUs

	loops    []loopWatch // that note their own gaps: the engine's, and its generator's
	strips   []record.Strip
	counters []threadCounters
}

// retained bounds what the log of a rig keeps: the benchmark's data is capped at
// 1 GiB, and a trial that reads its log back fits in half of that.
const retained = 512 << 20

// newRig starts an engine whose log leaves syncing to the kernel, in the scratch
// folder, and that holds every sender rather than drop: a trial wants all that
// it sent stored. It says nothing, for a line would fall into a measurement; what
// goes wrong, Run returns. change adapts its configuration. The burst, if there is one, learns of
// the engine before it runs.
func (b *Bench) newRig(change func(*engine.Config), feed *burst) (*rig, error) {
	dir, err := os.MkdirTemp(b.Scratch, "rig-")
	if err != nil {
		return nil, err
	}
	r := &rig{events: filepath.Join(dir, "events"), ended: make(chan error, 1)}
	cfg := engine.Default(r.events)
	cfg.Clock, cfg.Publishers = b.Clock, 0
	cfg.Log.Mode, cfg.Log.RetainBytes, cfg.Gaps = store.OS, retained, gapsKept
	cfg.Overflow, cfg.Logger = bus.Policies{}, slog.New(slog.DiscardHandler) // BLOCK_PRODUCER throughout, unless changed
	change(&cfg)
	if node := b.node; node >= 0 {
		cfg.Plan.Node = &node
	}
	if r.engine, err = engine.New(cfg); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if feed != nil {
		feed.engine = r.engine
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- r.engine.Run(ctx) }()
	if err := r.started(); err != nil {
		return nil, err
	}
	r.lossy = cfg.Overflow != bus.Policies{}
	r.small = len(b.Allowed) <= len(cfg.Plan.Threads)+1
	for _, t := range r.engine.Threads() {
		r.loops = append(r.loops, loopWatch{t.Name(), t.CPU(), t.Gaps()})
	}
	r.openCounting(b)
	b.present.rigs = append(b.present.rigs, r)
	return r, nil
}

// place notes in out where the engine's threads, and its events' pages, really
// are: what is not as planned would make another figure of every one. It is
// asked after each trial, for threads and pages may be moved meanwhile.
func (r *rig) place(out *Outcome) error {
	found, err := probes.PlacementOf(r.engine)
	if err == nil {
		err = found.Mismatch(r.small)
	}
	out.Placed = append(out.Placed, placedThreads(found)...)
	out.Slabs = append(out.Slabs, slabs(found)...)
	return err
}

// started waits until the engine's threads run, for their placement is part of
// the result.
func (r *rig) started() error {
	select {
	case <-r.engine.Running():
		return nil
	case err := <-r.ended:
		return fmt.Errorf("engine ended at once: %w", errors.Join(err, r.engine.Close()))
	}
}

// close stops the engine, verifies what its log still holds and removes it.
func (r *rig) close() error {
	r.closeCounting()
	r.stop()
	err := errors.Join(<-r.ended, r.engine.Close())
	return errors.Join(err, verify(r.events), os.RemoveAll(filepath.Dir(r.events)))
}

// verify wants a log that was closed cleanly and every checksum in place.
func verify(events string) error {
	report, err := store.Verify(events)
	switch {
	case err != nil:
		return err
	case len(report.Damages) > 0:
		return fmt.Errorf("the log that the engine left is damaged: %v", report.Damages[0])
	case !report.Sealed:
		return errors.New("the log that the engine left is not sealed")
	}
	return nil
}

// account waits until n more events than before have come and gone, and says so
// if they were not all stored, but for those lost: datagrams that the kernel
// dropped, and dead letters of an engine that may have some. It gives up when
// nothing has moved for a while.
func (r *rig) account(before engine.Stats, n uint64) (lost uint64, wrong string) {
	last, since := before, time.Now()
	for {
		s := r.engine.Stats()
		received, created, stored := s.Received-before.Received, s.Created-before.Created, s.Stored-before.Stored
		letters := s.Captured + s.Uncaptured - before.Captured - before.Uncaptured
		dropped := r.engine.Datagrams().Dropped - r.dropped
		over := received+dropped >= n && s.InFlight() == 0
		if over && received+dropped == n && stored+letters == received+created && (letters == 0 || r.lossy) {
			r.dropped += dropped
			return dropped + letters, ""
		}
		if s.Received != last.Received || s.Stored != last.Stored {
			last, since = s, time.Now()
		}
		if over || time.Since(since) > quietFor {
			return dropped + letters, fmt.Sprintf("of %d events sent %d were received and %d stored, with %d that the engine made, %d that it gave up on and %d that the kernel dropped; %d are in flight", n, received, stored, created, letters, dropped, s.InFlight())
		}
		time.Sleep(time.Millisecond)
	}
}

// quietFor is how long nothing must have come before what is missing is lost: a
// host's worst gap, and a socket's retry.
const quietFor = 2 * time.Second

// written waits until that sequence was handed to the kernel.
func (r *rig) written(sequence uint64) error {
	return r.reach("written", sequence, func(s engine.Stats) uint64 { return s.Written })
}

func (r *rig) reach(what string, goal uint64, figure func(engine.Stats) uint64) error {
	for deadline := time.Now().Add(trialLimit); ; time.Sleep(time.Millisecond) {
		s := r.engine.Stats()
		if figure(s) >= goal {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d events %s after %v, %d in flight", figure(s), goal, what, trialLimit, s.InFlight())
		}
	}
}

// trialLimit bounds a trial that makes no progress.
const trialLimit = 30 * time.Second

// relief is when the engine was last told to forget the pressure that it was
// under, and how often it had judged it since.
type relief struct {
	at     time.Time
	judged uint64
}

// relieve has the engine forget the pressure that it was under, which would
// otherwise last a second, and waits until what it did about it is over.
func (r *rig) relieve() relief {
	plane := r.engine.Plane
	now := time.Now()
	if s := plane.Status(); s.Decision.State == control.Healthy && s.Figures.Dropped == 0 {
		return relief{now, s.Evaluated}
	}
	plane.Forget(now)
	for plane.Status().Evaluated == 0 && time.Since(now) < trialLimit {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Millisecond) // what was decided is now being ordered
	return relief{time.Now(), plane.Status().Evaluated}
}

// state is that pressure's name, "" where it was not judged.
func (r *rig) state(since relief) string {
	if s, judged := r.pressure(since); judged {
		return s.String()
	}
	return ""
}

// pressure is the worst state since then, or false where it was not judged: that
// is done ten times a second, and what passes between is not seen.
func (r *rig) pressure(since relief) (worst control.State, judged bool) {
	status := r.engine.Plane.Status()
	worst = status.Decision.State
	for _, t := range status.Transitions {
		if t.At.After(since.at) {
			worst = max(worst, t.To)
		}
	}
	return worst, status.Evaluated > since.judged
}
