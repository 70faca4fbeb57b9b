package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/cluster"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/agent"
	"eventstreamcore/workloads/drive"
)

// hostsFlags are a load that agents on other hosts send together.
type hostsFlags struct {
	agents, targets      []string
	certs                string
	rate                 float64
	size, connections    int
	priority, shape, ask string
	topic                string
	log                  string
	oneWay               bool
}

func (f *hostsFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.agents, "hosts", nil, "agents, HOST:PORT,.. of esc load --agent: have them send to --addr together, and measure that")
	c.Flags().StringVar(&f.certs, "certs", "", "with --hosts: folder with ca.pem, client.pem and client.key, as esc cluster certs makes")
	c.Flags().StringSliceVar(&f.targets, "addr", []string{"127.0.0.1:9000"}, "with --hosts: frame port to send to, HOST:PORT; of several, agents take turns")
	c.Flags().Float64Var(&f.rate, "rate", 10_000, "with --hosts: events a second of all agents together")
	c.Flags().IntVar(&f.size, "size", 64, "with --hosts: bytes of payload")
	c.Flags().IntVar(&f.connections, "connections", 1, "with --hosts: connections of each agent")
	c.Flags().StringVar(&f.topic, "topic", "load", "with --hosts: topic, behind which each agent writes / and its number")
	c.Flags().StringVar(&f.priority, "priority", "MEDIUM", "with --hosts: BATCH, LOW, MEDIUM, HIGH, CRITICAL, or 0 to 4")
	c.Flags().StringVar(&f.shape, "shape", "poisson", "with --hosts: how the times lie: poisson, constant")
	c.Flags().StringVar(&f.ask, "ask", "stored", "with --hosts: what each event is answered at: stored, durable or replicated")
	c.Flags().StringVar(&f.log, "log", "", "with --hosts: data folder of the target, where it is on this host: each event is looked up there")
	c.Flags().BoolVar(&f.oneWay, "one-way", false, "with --log: time events from one host to this one, too, by two clocks, with the bound of their offset beside it")
}

// hostsOnly are the flags of esc bench that mean something with --hosts, and
// hostsAlone those that mean nothing without.
var (
	hostsAlone = []string{"hosts", "certs", "addr", "rate", "size", "connections", "topic", "priority", "shape", "ask", "log", "one-way"}
	hostsOnly  = slices.Concat(hostsAlone, []string{"count", "time", "seed", "out", "quiet", "json", "strict"})
)

// Of a load by several hosts.
const (
	hostsTrials = 5
	hostsTime   = 5 * time.Second
	agentsMost  = 64
)

// wanted reports whether the flags are of a bench by hosts, and refuses a mixture.
func (f *hostsFlags) wanted(c *cobra.Command) (bool, error) {
	if len(f.agents) > 0 {
		return true, onlyWith(c, "hosts", hostsOnly)
	}
	for _, name := range hostsAlone {
		if c.Flags().Changed(name) {
			return false, usage("--%s without --hosts: it says what agents on other hosts are to send", name)
		}
	}
	return false, nil
}

// order is what each agent is asked for, but for its target, topic, producer and seed.
func (f *hostsFlags) order(length time.Duration) (o agent.Order, err error) {
	addresses := append(slices.Clone(f.agents), f.targets...)
	for _, a := range addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return o, usage("%q: write HOST:PORT", a)
		}
	}
	if sorted := slices.Compact(slices.Sorted(slices.Values(f.agents))); len(sorted) < len(f.agents) || len(sorted) > agentsMost {
		return o, usage("--hosts: name each agent once, and at most %d", agentsMost)
	}
	if f.certs == "" {
		return o, usage("--hosts needs the certificates that the agents know: --certs DIR, of esc cluster certs")
	}
	if f.oneWay && f.log == "" {
		return o, usage("--one-way needs the target's log, on this host: --log DIR")
	}
	if f.log != "" && len(f.targets) > 1 {
		return o, usage("--log is of one target: name one (--addr)")
	}
	priority, err := parsePriority(f.priority)
	if err != nil {
		return o, exit(exitUsage, fmt.Errorf("--priority: %w", err))
	}
	if f.ask == "" {
		return o, usage("--ask: hosts are measured by round trips: use stored, durable or replicated")
	}
	if f.shape != drive.Poisson.String() && f.shape != drive.Constant.String() {
		return o, usage("--shape %q: with --hosts use poisson or constant", f.shape)
	}
	o = agent.Order{Target: f.targets[0], Rate: f.rate / float64(len(f.agents)), DurationNs: length.Nanoseconds(), Shape: f.shape, Burst: 1,
		Size: f.size, Topic: f.topic, Priority: uint8(priority), Connections: f.connections, Producer: 1, Ask: f.ask}
	_, err = o.Spec()
	return o, exit(exitUsage, err)
}

// benchHosts has agents send together, so many times, and keeps what came of it.
func benchHosts(c *cobra.Command, f benchFlags) error {
	if f.count == 0 {
		f.count = hostsTrials
	}
	if f.time == 0 {
		f.time = hostsTime
	}
	if err := f.defaults(); err != nil {
		return err
	}
	order, err := f.hosts.order(f.time)
	if err != nil {
		return err
	}
	mutual, err := cluster.MutualTLS(f.hosts.certs, agent.Commander)
	if err != nil {
		return exit(exitUsage, err)
	}
	s := &senders{order: order, targets: f.hosts.targets, rate: f.hosts.rate, seed: f.seed, log: f.progress(c)}
	if f.hosts.log != "" {
		if s.witness, err = newWitness(f.hosts.log, f.hosts.oneWay); err != nil {
			return exit(exitUnmeasured, err)
		}
		defer s.witness.close()
	}
	defer s.close()
	if err := s.dial(c.Context(), f.hosts.agents, mutual); err != nil {
		return exit(exitUnmeasured, err)
	}
	run, err := s.run(c.Context(), f.count)
	var coded *exitError
	switch {
	case errors.As(err, &coded):
		return err
	case err != nil:
		return exit(exitUnmeasured, err)
	}
	if err := f.keep(c, run); err != nil {
		return err
	}
	if why := invalidOf(run.Rows[0]); why != nil && !run.Partial { // the row of all hosts together
		return exit(exitUnmeasured, fmt.Errorf("it does not count: %s (see the .FAIL files)", strings.Join(why, "; ")))
	}
	return verdict(run, f.strict)
}

// invalidOf is why trials of a row do not count, each reason once.
func invalidOf(row record.Row) (why []string) {
	for _, t := range row.Trials {
		if t.Invalid != "" && !slices.Contains(why, t.Invalid) {
			why = append(why, t.Invalid)
		}
	}
	return why
}
