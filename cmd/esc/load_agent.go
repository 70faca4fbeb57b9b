package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"eventstreamcore/engine/cluster"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/agent"
	"eventstreamcore/workloads/drive"
)

// agentFlags are what a machine lends to esc bench --hosts.
type agentFlags struct {
	address, certs, name string
	limits               agent.Limits
}

func (f *agentFlags) add(c *cobra.Command) {
	f.limits = agent.DefaultLimits()
	l := &f.limits
	c.Flags().StringVar(&f.address, "agent", "", "send nothing, but take orders from esc bench --hosts at this address, 127.0.0.1:7400 or HOST:PORT")
	c.Flags().StringVar(&f.certs, "certs", "", "folder with ca.pem, NAME.pem and NAME.key, as esc cluster certs makes: who talks to an agent shows a certificate of it")
	c.Flags().StringVar(&f.name, "as", "", "NAME of the agent's own certificate there")
	c.Flags().StringSliceVar(&l.Targets, "allow", nil, "targets that the agent may be ordered to send to, HOST:PORT,..")
	c.Flags().Float64Var(&l.Rate, "most-rate", l.Rate, "events a second that it may be ordered to send")
	c.Flags().DurationVar(&l.Duration, "most-duration", l.Duration, "how long a load may be")
	c.Flags().IntVar(&l.Connections, "most-connections", l.Connections, "connections that a load may open")
	c.Flags().IntVar(&l.Size, "most-size", l.Size, "bytes of payload that its events may have")
}

// agentOnly are the flags that mean something to an agent, and agentAlone those that
// mean nothing without.
var (
	agentAlone = []string{"agent", "certs", "as", "allow", "most-rate", "most-duration", "most-connections", "most-size"}
	agentOnly  = slices.Concat(agentAlone, []string{"tls", "ca", "cert", "key", "token-file", "cpu", "quiet"})
)

// onlyWith refuses flags that were given beside the one named, and mean nothing there.
func onlyWith(c *cobra.Command, flag string, allowed []string) (err error) {
	c.Flags().Visit(func(given *pflag.Flag) {
		if err == nil && !slices.Contains(allowed, given.Name) {
			err = usage("--%s with --%s: it means nothing there", given.Name, flag)
		}
	})
	return err
}

// parse completes the limits. Its errors are usage.
func (f *agentFlags) parse(access accessFlags, on int) error {
	if host, _, err := net.SplitHostPort(f.address); err != nil || host == "" {
		return usage("--agent %q: write HOST:PORT, 127.0.0.1:7400 for this machine alone", f.address)
	}
	if f.certs == "" || f.name == "" {
		return usage("--agent takes orders from who shows a certificate of its own set alone: name the set (--certs) and the agent's certificate in it (--as); esc cluster certs makes one")
	}
	if len(f.limits.Targets) == 0 {
		return usage("--agent sends to targets of its list alone: name them (--allow HOST:PORT,..)")
	}
	for _, target := range f.limits.Targets {
		if _, _, err := net.SplitHostPort(target); err != nil {
			return usage("--allow %q: write HOST:PORT", target)
		}
	}
	l := &f.limits
	if !(l.Rate >= 1 && l.Rate <= 1e9) || l.Duration < time.Second || l.Duration > time.Hour || l.Connections < 1 || l.Size < 0 {
		return usage("--most-rate takes 1 to 1e9, --most-duration 1s to 1h, --most-connections 1 or more, --most-size 0 or more")
	}
	if l.CPU = on; on != drive.Unpinned && !slices.Contains(usableCPUs(), on) {
		return usage("--cpu %d: this process may not use it", on)
	}
	return exit(exitUsage, access.parse(&l.Access))
}

// usableCPUs are those that this process may run on.
func usableCPUs() []int {
	t, err := topology.Read(os.DirFS("/"))
	if err != nil {
		return nil
	}
	return t.Usable()
}

// serveAgent takes orders until it is interrupted.
func serveAgent(c *cobra.Command, f loadFlags) error {
	if err := onlyWith(c, "agent", agentOnly); err != nil {
		return err
	}
	if err := f.agent.parse(f.access, f.spec.CPU); err != nil {
		return err
	}
	mutual, err := cluster.MutualTLS(f.agent.certs, f.agent.name)
	if err != nil {
		return exit(exitUsage, err)
	}
	version, err := buildName()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.agent.address)
	if err != nil {
		return exit(exitUnmeasured, fmt.Errorf("--agent: %w", err))
	}
	messages := c.ErrOrStderr()
	if f.quiet {
		messages = io.Discard
	}
	a := &agent.Agent{TLS: mutual, Limits: f.agent.limits, Version: version, Load: new(lender).load, Logger: slog.New(slog.NewTextHandler(messages, nil))}
	a.Logger.Info("listening", "addr", l.Addr(), "as", f.agent.name, "targets", strings.Join(a.Limits.Targets, ","), "rate", a.Limits.Rate, "duration", a.Limits.Duration)
	return a.Serve(c.Context(), l)
}

// buildName tells builds apart that do not measure the same: the commit, or where
// that does not say what was built, the binary's own checksum.
func buildName() (string, error) {
	b := readBuild()
	if b.Commit != "unknown" && !b.Dirty {
		return "commit " + b.Commit + ", " + b.Go, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(self)
	if err != nil {
		return "", fmt.Errorf("this binary's checksum: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("this binary's checksum: %w", err)
	}
	return fmt.Sprintf("commit %s with changes, binary %x", b.Commit, sum.Sum(nil)[:8]), nil
}

// lender runs the loads that are ordered. What it knows of its host it finds out
// again after fitnessAge.
type lender struct {
	fitness record.Fitness
	ruler   probes.Ruler
	clock   cpu.Clock
	checked time.Time
}

const fitnessAge = 5 * time.Minute

// load runs one, and records it with the host that it ran on. The collector
// rests meanwhile, as it does in a sender of esc bench.
func (l *lender) load(ctx context.Context, s drive.Spec) (record.Run, error) {
	if time.Since(l.checked) > fitnessAge {
		if err := l.check(); err != nil {
			return record.Run{}, err
		}
	}
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	began := time.Now().UTC()
	report, err := drive.Load(ctx, s)
	if err == nil && report.Partial {
		err = context.Cause(ctx)
	}
	if err != nil {
		return record.Run{}, err
	}
	run, err := loadRecord(s, report, began)
	run.Fitness, run.Command = l.fitness, nil
	recheck(&run, &l.ruler, l.clock)
	return run, err
}

// check looks at the host, and takes about a second.
func (l *lender) check() error {
	machine, err := topology.Read(os.DirFS("/"))
	if err != nil {
		return err
	}
	if l.clock, err = cpu.Calibrate(); err != nil {
		return err
	}
	if l.ruler, err = probes.CheckRuler(l.clock); err != nil && !errors.Is(err, probes.ErrRuler) { // one that does not hold is the doctor's to say
		return err
	}
	l.fitness = recordFitness(probes.Doctor(l.clock, os.DirFS("/"), machine, machine.Usable(), "", doctorWindow))
	l.checked = time.Now()
	return nil
}
