package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/agent"
)

// senders are the agents of one bench, and what they send.
type senders struct {
	all     []*sender
	order   agent.Order // of each, but for what is its own
	targets []string
	rate    float64 // of all together
	seed    uint64
	log     io.Writer
	witness *witness // nil: the target's log is not here
}

// sender is one of them.
type sender struct {
	*agent.Session
	record.Sender
	order   agent.Order
	offset  agent.Offset // in the trial under way
	startAt int64        // of the trial, ns of its own clock
	run     record.Run   // of the trial
	err     error        // why it did not stay
}

// dial connects to all agents. Any that is not there, or is another build, is an
// error.
func (s *senders) dial(ctx context.Context, addresses []string, mutual *tls.Config) error {
	version, err := buildName()
	if err != nil {
		return err
	}
	s.all = make([]*sender, len(addresses))
	failed := make([]error, len(addresses))
	var dials sync.WaitGroup
	for i, address := range addresses {
		dials.Go(func() {
			session, err := agent.Dial(ctx, address, mutual)
			if failed[i] = err; err != nil {
				return
			}
			target := s.targets[i%len(s.targets)]
			s.all[i] = &sender{Session: session, Sender: record.Sender{Agent: address, Target: target}}
			if session.Hello.Version != version {
				failed[i] = fmt.Errorf("agent %s: it is another build, %s, and this is %s: start the same esc there", address, session.Hello.Version, version)
			}
		})
	}
	dials.Wait()
	return errors.Join(failed...)
}

func (s *senders) close() {
	for _, a := range s.all {
		if a != nil {
			a.Close()
		}
	}
}

// run measures so many trials. One from which an agent went missing is the last.
func (s *senders) run(ctx context.Context, trials int) (all record.Run, err error) {
	random := rand.New(rand.NewPCG(s.seed, 1))
	var runs []record.Run
	began := time.Now().UTC()
	for i := range trials {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(s.log, "[%d/%d] %d agents send %v events/s together for %v\n", i+1, trials, len(s.all), s.rate, time.Duration(s.order.DurationNs))
		run, err := s.trial(ctx, random)
		if ctx.Err() != nil {
			break
		}
		switch {
		case err != nil && len(runs) == 0:
			return all, err
		case err != nil:
			run = void(runs[0], err.Error())
		case i == 0:
			s.tell()
		}
		runs = append(runs, run)
		if s.lost() {
			break
		}
	}
	if len(runs) == 0 {
		return all, exit(exitInterrupted, errors.New("interrupted before anything was measured"))
	}
	if all, err = reports.Gather(runs); err != nil {
		return all, err
	}
	remarkBounds(all.Rows)
	all.Started, all.Ended, all.Command, all.Seed, all.Build = began, time.Now().UTC(), os.Args, s.seed, readBuild()
	all.Partial = ctx.Err() != nil
	for _, a := range s.all {
		if a.err != nil {
			a.Lost = a.err.Error()
		}
		all.Senders = append(all.Senders, a.Sender)
	}
	return all, nil
}

// tell says what is known of each agent.
func (s *senders) tell() {
	for _, a := range s.all {
		if a.err != nil {
			fmt.Fprintf(s.log, "esc: %v\n", a.err)
			continue
		}
		fmt.Fprintf(s.log, "agent %s (%s) to %s: %s, its clock is %v ahead of this one, known to ±%v\n",
			a.Agent, a.Host.Name, a.Target, a.Fitness, ns(a.OffsetNs), ns(a.BoundNs))
	}
}

// void is a trial without figures, and why it has none.
func void(like record.Run, why string) record.Run {
	like.Rows = slices.Clone(like.Rows)
	for i := range like.Rows {
		like.Rows[i].Distributions, like.Rows[i].Trials = nil, []record.Trial{{Invalid: why}}
	}
	return like
}

func (s *senders) lost() bool {
	return slices.ContainsFunc(s.all, func(a *sender) bool { return a.err != nil })
}

const (
	startIn     = 500 * time.Millisecond // from when all are ready
	resultGrace = 60 * time.Second       // that an agent may take longer than its load
)

// trial has all agents send once. One that cannot begin is an error; one that
// goes missing later, its own err.
func (s *senders) trial(ctx context.Context, random *rand.Rand) (all record.Run, err error) {
	producer := 1 + random.Uint32N(1<<24-1-agentsMost)
	for i, a := range s.all { // one after the other: they may share a host, which each has a look at
		a.order = s.order
		a.order.Target, a.order.Topic = a.Target, s.order.Topic+"/"+strconv.Itoa(i+1)
		a.order.Producer, a.order.Seed = producer+uint32(i), random.Uint64()
		if a.err = a.Prepare(ctx, a.order); a.err != nil {
			return all, a.err
		}
	}
	for _, a := range s.all {
		if a.offset, a.err = a.Session.Offset(); a.err != nil {
			return all, a.err
		}
	}
	if s.witness != nil {
		if err := s.witness.before(); err != nil {
			return all, err
		}
	}
	now, err := cpu.ReadAnchor(cpu.MonotonicRaw)
	if err != nil {
		return all, err
	}
	s.plan(now.Ns)
	for _, a := range s.all {
		a.err = a.Start(a.startAt)
	}
	var results sync.WaitGroup
	for _, a := range s.all {
		results.Go(func() { a.collect(ctx, time.Duration(a.order.DurationNs)+resultGrace) })
	}
	results.Wait()
	return s.together()
}

// plan has all begin startIn after now, each by its own clock, and so far apart that
// constant schedules do not fall on each other.
func (s *senders) plan(now int64) {
	apart := 1e9 / s.rate
	for i, a := range s.all {
		a.startAt = now + startIn.Nanoseconds() + int64(float64(i)*apart) + a.offset.Middle()
	}
}

// collect waits for what a sent, and measures the clock's offset anew: between
// the two measurements it lay in what holds both.
func (a *sender) collect(ctx context.Context, patience time.Duration) {
	if a.err != nil {
		return
	}
	if a.run, a.err = a.Result(ctx, patience); a.err != nil {
		return
	}
	after, err := a.Session.Offset()
	if a.err = err; err != nil {
		return
	}
	a.offset = a.offset.Hull(after)
	a.OffsetNs, a.BoundNs = a.offset.Middle(), max(a.BoundNs, a.offset.Bound())
	a.Host, a.Fitness = a.run.Host, a.run.Fitness.Verdict
	for _, row := range a.run.Rows {
		for _, t := range row.Trials {
			for _, v := range t.Noise {
				if v.Unit == residualUnit {
					a.ResidualNs = max(a.ResidualNs, int64(v.Value))
				}
			}
		}
	}
}

// together is the trial as one run: rows of all senders' events, then each
// sender's own. Without one of them the whole is invalid.
func (s *senders) together() (all record.Run, err error) {
	var runs []record.Run
	lost := ""
	now := time.Now().UTC()
	began := now.Add(-time.Duration(s.order.DurationNs))
	for _, a := range s.all {
		if a.err != nil {
			lost = a.err.Error()
			continue
		}
		a.run.Started, a.run.Ended = began, now // by this host's clock: theirs need not agree
		a.run.Host.Name = a.Agent               // which of them is meant
		runs = append(runs, a.run)
	}
	switch len(runs) {
	case 0:
		return all, errors.New(lost)
	case 1:
		all = runs[0]
	default:
		if all, err = reports.Merge(runs); err != nil {
			return all, err
		}
	}
	all.Fitness.Checks = s.checks()
	all.Host.Name = s.names()
	all.Rows = s.rows(all.Rows)
	if s.witness != nil && lost == "" {
		if err := s.witness.after(s, &all); err != nil {
			return all, err
		}
	}
	for i := range all.Rows {
		for j := range all.Rows[i].Trials {
			if t := &all.Rows[i].Trials[j]; lost != "" && t.Invalid == "" {
				t.Invalid = lost
			}
		}
	}
	return all, nil
}

// checks are those of all hosts, each once, with what was found where.
func (s *senders) checks() (all []record.Check) {
	at := map[string]int{}
	for _, a := range s.all {
		for _, c := range a.run.Fitness.Checks {
			if a.err != nil {
				continue
			}
			c.Value = a.Agent + ": " + c.Value
			key := c.Name + c.Verdict
			if i, ok := at[key]; ok {
				all[i].Value += "; " + c.Value
				continue
			}
			at[key] = len(all)
			all = append(all, c)
		}
	}
	return all
}

// names are the hosts', each once.
func (s *senders) names() string {
	name := ""
	var seen []string
	for _, a := range s.all {
		if host := a.Host.Name; host != "" && !slices.Contains(seen, host) {
			seen = append(seen, host)
			name += "+" + host
		}
	}
	return name[min(1, len(name)):]
}

// rows are those of all together under their own name, and behind them each
// agent's.
func (s *senders) rows(merged []record.Row) (rows []record.Row) {
	for _, row := range merged {
		rows = append(rows, s.named(row, s.rate, strconv.Itoa(len(s.all))))
	}
	if len(s.all) == 1 {
		return rows
	}
	for _, a := range s.all {
		if a.err != nil {
			continue
		}
		for _, row := range a.run.Rows {
			rows = append(rows, s.named(row, a.order.Rate, a.Agent))
		}
	}
	return rows
}

// named is a row of a load, of those hosts, at that rate.
func (s *senders) named(row record.Row, rate float64, hosts string) record.Row {
	row.Workload = "hosts"
	row.Params = append([]record.Param{{Key: "hosts", Value: hosts}, {Key: "ask", Value: s.order.Ask}}, row.Params...)
	for i, p := range row.Params {
		if p.Key == "rate" {
			row.Params[i].Value = strconv.FormatFloat(rate, 'f', -1, 64)
		}
	}
	return row
}
