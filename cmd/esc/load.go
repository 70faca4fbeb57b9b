package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
)

type loadFlags struct {
	spec                 drive.Spec
	version              uint8
	frame                int
	priority, shape, ask string
	rated                bool
	access               accessFlags
	replay, times        string // files
	out                  string
	json, quiet          bool
	agent                agentFlags
}

func newLoadCommand() *cobra.Command {
	f := loadFlags{spec: drive.Default("127.0.0.1:9000")}
	c := &cobra.Command{
		Use:   "load --addr HOST:PORT --rate R --duration D",
		Short: "Send events to a frame port, each at its time",
		Long: `Send events to a frame port in open loop: each has its time beforehand, and one
that is late goes at once and keeps it. How late the sender itself was is
printed as its debt. With --rate 0 it sends as fast as the server reads, which
says nothing of latency.

The payload opens with the event's number, counted from 0, as 8 bytes,
little-endian; the number plus 1 is the counter of its id.

With --ask the server answers each event once it is that safe, and the time from
when the event was due to its answer is printed too.

With --agent it sends what esc bench --hosts orders from another host, within the
limits given here, and nothing else: see docs/hosts.md.

Exit codes: 0 all was sent, 1 an answer was asked for and did not come, 2 usage,
3 the server was not there or broke the connection off, 130 interrupted (what
was sent until then is printed).`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			f.rated = c.Flags().Changed("rate")
			if f.agent.address != "" {
				return serveAgent(c, f)
			}
			for _, name := range agentAlone {
				if c.Flags().Changed(name) {
					return usage("--%s without --agent: it says what an agent may be ordered", name)
				}
			}
			return load(c, f)
		},
	}
	s := &f.spec
	c.Flags().StringVar(&s.Address, "addr", s.Address, "TCP address of the frame port, HOST:PORT")
	c.Flags().Float64Var(&s.Schedule.Rate, "rate", s.Schedule.Rate, "events a second; 0 is as fast as the server reads")
	c.Flags().DurationVar(&s.Duration, "duration", s.Duration, "for how long, unless --count says how many")
	c.Flags().Uint64Var(&s.Count, "count", 0, "how many events")
	c.Flags().IntVar(&s.Size, "size", s.Size, "bytes of payload")
	c.Flags().IntVar(&f.frame, "frame", 0, "bytes of a whole frame, instead of --size")
	c.Flags().StringVar(&f.priority, "priority", s.Priority.String(), "BATCH, LOW, MEDIUM, HIGH, CRITICAL, or 0 to 4")
	c.Flags().StringVar(&s.Topic, "topic", s.Topic, "topic of every event")
	c.Flags().StringVar(&f.shape, "shape", s.Schedule.Shape.String(), "how the times lie: constant, poisson, burst (see --burst) or replay (see --replay)")
	c.Flags().IntVar(&s.Schedule.Burst, "burst", s.Schedule.Burst, "events that share a time; over 1 it implies --shape burst")
	c.Flags().Uint64Var(&s.Schedule.Seed, "seed", 0, "seed of the shape poisson")
	c.Flags().StringVar(&f.replay, "replay", "", "file of times in ns, as --times or esc log dump writes it, to send at over and over; without --rate at their own rate")
	c.Flags().StringVar(&f.times, "times", "", "file to write when each event was due and sent, in ns of CLOCK_MONOTONIC_RAW, as CSV")
	c.Flags().IntVar(&s.Connections, "connections", s.Connections, "connections to spread the events over")
	c.Flags().Uint8Var(&f.version, "frames", uint8(s.Version), "version of the frames: 2, or 1 without id, time and checksum")
	c.Flags().Uint32Var(&s.Producer, "producer", 0, "producer of the ids; 0 draws one")
	c.Flags().StringVar(&f.ask, "ask", "", "ask for an answer to each event once it is stored, durable or replicated")
	c.Flags().BoolVar(&s.Access.UDP, "udp", false, "send datagrams to the UDP port that --addr names: some may be lost")
	f.access.add(c)
	f.agent.add(c)
	c.Flags().IntVar(&s.CPU, "cpu", drive.Unpinned, "CPU to pin the sender to; -1 is none")
	c.Flags().StringVar(&f.out, "out", "", "folder that gets a folder of results with the histograms: those of several hosts esc report merge makes one of")
	c.Flags().BoolVar(&f.json, "json", false, "print the report as JSON")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no messages on stderr but errors")
	c.MarkFlagsMutuallyExclusive("size", "frame")
	return c
}

// parse completes the Spec. Its errors are usage.
func (f *loadFlags) parse() (drive.Spec, error) {
	s, err := f.spec, error(nil)
	if s.Priority, err = parsePriority(f.priority); err != nil {
		return s, exit(exitUsage, fmt.Errorf("--priority: %w", err))
	}
	if s.Schedule.Shape, err = drive.ParseShape(f.shape); err != nil {
		return s, exit(exitUsage, fmt.Errorf("--shape: %w", err))
	}
	if s.Schedule.Burst > 1 && s.Schedule.Shape == drive.Constant {
		s.Schedule.Shape = drive.Burst
	}
	if s.Schedule.Burst < 1 || s.Schedule.Shape == drive.Burst && s.Schedule.Burst < 2 {
		return s, usage("burst of %d: say how many events share a time (--burst 2 or more)", s.Schedule.Burst)
	}
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return s, usage("--addr %q: write HOST:PORT", s.Address)
	}
	if s.CPU != drive.Unpinned && !slices.Contains(usableCPUs(), s.CPU) {
		return s, usage("--cpu %d: this process may not use it", s.CPU)
	}
	if err := f.parseReplay(&s); err != nil {
		return s, exit(exitUsage, err)
	}
	s.Version = wire.Version(f.version)
	if f.frame != 0 {
		if s.Size = s.PayloadFor(f.frame); s.Size < 0 {
			return s, usage("--frame %d: a frame with the topic %q takes %d bytes without payload", f.frame, s.Topic, f.frame-s.Size)
		}
	}
	if f.ask != "" {
		s.Ask.Wanted = true
		if s.Ask.Level, err = wire.ParseLevel(f.ask); err != nil {
			return s, exit(exitUsage, fmt.Errorf("--ask: %w", err))
		}
	}
	if err := f.access.parse(&s.Access); err != nil {
		return s, exit(exitUsage, err)
	}
	if s.Version == wire.V1 && f.access.token == "" {
		s.Access.Token = "" // the environment's is for those who can use it
	}
	return s, exit(exitUsage, s.Validate())
}

// parseReplay reads the trace, if there is to be one.
func (f *loadFlags) parseReplay(s *drive.Spec) (err error) {
	s.Stamps = f.times != ""
	if f.replay == "" {
		return nil
	}
	if s.Schedule.Trace, err = readTrace(f.replay); err != nil {
		return fmt.Errorf("--replay: %w", err)
	}
	s.Schedule.Shape = drive.Replay
	switch {
	case !f.rated:
		s.Schedule.Rate = s.Schedule.Trace.Rate()
	case s.Schedule.Rate == 0:
		return errors.New("--replay with --rate 0: a closed loop keeps no times; leave --rate out to replay at the trace's own")
	}
	return nil
}

// parsePriority takes a priority's name or its number.
func parsePriority(s string) (event.Priority, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && n < event.Priorities {
		return event.Priority(n), nil
	}
	return event.ParsePriority(s)
}

func load(c *cobra.Command, f loadFlags) error {
	spec, err := f.parse()
	if err != nil {
		return err
	}
	if err := f.writable(); err != nil {
		return err
	}
	began := time.Now().UTC()
	report, err := drive.Load(c.Context(), spec)
	if f.times != "" && len(report.Stamps) > 0 {
		err = errors.Join(err, replace(f.times, func(w io.Writer) error { return drive.WriteStamps(w, report.Stamps) }))
	}
	if report.Sent > 0 || err == nil {
		if err := printLoad(c.OutOrStdout(), report, f.json); err != nil {
			return err
		}
	}
	if f.out != "" && report.Sent > 0 {
		dir, failed := keepLoad(f.out, spec, report, began)
		if failed != nil {
			return errors.Join(exit(exitUnmeasured, err), fmt.Errorf("keeping the results: %w", failed))
		}
		if !f.quiet {
			fmt.Fprintf(c.ErrOrStderr(), "results in %s\n", dir)
		}
	}
	switch {
	case err != nil:
		return exit(exitUnmeasured, err)
	case report.Partial:
		return exit(exitInterrupted, fmt.Errorf("interrupted after %d events", report.Sent))
	}
	if !f.quiet {
		warnLoad(c.ErrOrStderr(), report)
	}
	if a := report.Answers; a != nil && a.Missing > 0 {
		return exit(exitMissed, fmt.Errorf("%d of %d events were not answered", a.Missing, report.Sent))
	}
	return nil
}

// writable says before anything is sent what could not be kept afterwards.
func (f *loadFlags) writable() error {
	if f.times != "" {
		if _, err := os.Stat(filepath.Dir(f.times)); err != nil {
			return usage("--times: %v", err)
		}
	}
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o777); err != nil {
			return usage("--out: %v", err)
		}
	}
	return nil
}

func printLoad(w io.Writer, r drive.Report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	fmt.Fprintf(w, "sent %d events, %d bytes, in %v: %.0f events/s\n", r.Sent, r.Bytes, ns(r.DurationNs).Round(time.Millisecond), r.Rate)
	if d := r.Debt; d != nil {
		fmt.Fprintf(w, "debt of the sender: %s\n", quantiles(d))
	}
	if l := r.Lost; l != nil && l.Count > 0 {
		fmt.Fprintf(w, "the sender was away %d times, %v in all, %v at the most", l.Count, ns(l.Ns), ns(l.Longest))
		if r.Calm != nil {
			fmt.Fprintf(w, "; debt of the %d events undisturbed by that: %s", r.Calm.Of.Count, quantiles(r.Calm))
		}
		fmt.Fprintln(w)
	}
	if a := r.Answers; a != nil {
		fmt.Fprintf(w, "answers: %s, missing %d\n", counts(a.Outcomes), a.Missing)
		if len(a.Reasons) > 0 {
			fmt.Fprintf(w, "reasons: %s\n", counts(a.Reasons))
		}
		if a.Latency != nil {
			fmt.Fprintf(w, "until the answer: %s\n", quantiles(a.Latency))
		}
	}
	return nil
}

func quantiles(q *drive.Quantiles) string {
	return fmt.Sprintf("mean %v, p50 %v, p99 %s, p99.9 %s, max %v", ns(q.Mean), ns(q.P50), known(q.P99), known(q.P999), ns(q.Max))
}

// counts lists what there is of each, by name.
func counts(of map[string]uint64) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		list = append(list, fmt.Sprintf("%s %d", name, of[name]))
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}

// known is a percentile, or N/A where there were too few events for it.
func known(n int64) string {
	if n == 0 {
		return "N/A"
	}
	return ns(n).String()
}

// warnLoad says what is to be known before the figures are used.
func warnLoad(w io.Writer, r drive.Report) {
	if !r.KeptUp {
		fmt.Fprintf(w, "esc: the sender ended %v behind its schedule: it, or the server, cannot keep up with %.0f events/s, and latencies of this load are not valid\n", ns(r.LagNs).Round(time.Millisecond), r.Asked)
	}
	if r.Unconfirmed > 0 {
		fmt.Fprintf(w, "esc: the server has not read %d connection(s) to the end yet\n", r.Unconfirmed)
	}
}
