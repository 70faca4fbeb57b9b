package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

type serveFlags struct {
	data, addr, plan, cpus, idle, mode string
	segment                            int64
	insecure                           bool
	drain                              time.Duration
}

func newServeCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run the engine: take frames over TCP and store them",
		Long: `Run the engine: take frames over TCP and store them in DIR/events.

SIGTERM and SIGINT stop it: it reads no more, stores what it took in, seals the
log and exits 0. What could not be stored in the drain time is counted and
printed, and the exit code is 1.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c, f) },
	}
	c.Flags().StringVar(&f.data, "data", "", "folder for the log (required)")
	c.Flags().StringVar(&f.addr, "addr", "127.0.0.1:9000", "TCP address for frames, HOST:PORT")
	c.Flags().StringVar(&f.plan, "plan", "fused", "fused: all stages on one thread; split: ingest and dispatch on one, the rest on another")
	c.Flags().StringVar(&f.cpus, "cpus", "", "CPUs to pin the plan's threads to, as 1 or 0,1; without it the kernel places them")
	c.Flags().StringVar(&f.idle, "idle", "park", "when idle: park (no CPU), or spin (lowest latency, a whole CPU for each thread)")
	c.Flags().StringVar(&f.mode, "mode", "group", "when the log is synced: group (before each answer of durable), interval (every 10ms), os (never)")
	c.Flags().Int64Var(&f.segment, "segment", 64<<20, "bytes of a log segment, 1 MiB at the least")
	c.Flags().BoolVar(&f.insecure, "insecure", false, "listen off loopback, where anyone may then publish")
	c.Flags().DurationVar(&f.drain, "drain", 2*time.Second, "how long to store what was taken in after the signal to stop")
	return c
}

// config makes the engine's configuration of the flags. Its errors are usage.
func (f serveFlags) config(messages io.Writer) (cfg engine.Config, err error) {
	if f.data == "" {
		return cfg, usage("--data is missing: name the folder for the log")
	}
	cfg = engine.Default(f.data)
	cfg.Log.Dir, cfg.Log.SegmentBytes = store.EventsDir(f.data), f.segment
	cfg.TCP.Address, cfg.TCP.Insecure = f.addr, f.insecure
	cfg.Publishers, cfg.Drain = 0, f.drain
	cfg.Logger = slog.New(slog.NewTextHandler(messages, nil))
	if cfg.Log.Mode, err = store.ParseMode(f.mode); err != nil {
		return cfg, exit(exitUsage, err)
	}
	if cfg.Plan, err = f.parsePlan(); err != nil {
		return cfg, exit(exitUsage, err)
	}
	return cfg, exit(exitUsage, cfg.Validate())
}

// parsePlan is one of the two plans, on the CPUs asked for.
func (f serveFlags) parsePlan() (engine.Plan, error) {
	idle, err := duty.ParseIdle(f.idle)
	if err != nil {
		return engine.Plan{}, err
	}
	threads := map[string]int{"fused": 1, "split": 2}[f.plan]
	if threads == 0 {
		return engine.Plan{}, fmt.Errorf("plan %q: use fused or split", f.plan)
	}
	cpus := []int{duty.Unpinned, duty.Unpinned}
	if f.cpus != "" {
		fields := strings.Split(f.cpus, ",")
		if len(fields) != threads {
			return engine.Plan{}, fmt.Errorf("--cpus %s: plan %s has %d thread(s): name as many CPUs", f.cpus, f.plan, threads)
		}
		for i, field := range fields {
			if cpus[i], err = strconv.Atoi(field); err != nil || cpus[i] < 0 {
				return engine.Plan{}, fmt.Errorf("--cpus %s: %q is no CPU number: use numbers as in /sys/devices/system/cpu/online", f.cpus, field)
			}
		}
	}
	if threads == 1 {
		return engine.Fused(cpus[0], idle), nil
	}
	return engine.Split(cpus[0], cpus[1], idle), nil
}

func serve(c *cobra.Command, f serveFlags) error {
	cfg, err := f.config(c.ErrOrStderr())
	if err != nil {
		return err
	}
	e, err := engine.New(cfg)
	if err != nil {
		return err
	}
	cfg.Logger.Info("listening", "addr", e.Addr(), "data", f.data, "plan", f.plan, "mode", f.mode, "recovered", e.Recovery)
	if f.idle == "spin" {
		cfg.Logger.Warn("--idle spin keeps every thread of the plan at 100 % of a CPU, idle or not")
	}
	began := time.Now()
	err = e.Run(c.Context())
	printServed(c.OutOrStdout(), e, time.Since(began))
	return errors.Join(err, e.Close())
}

// printServed is the account of a run: what came in and what became of it.
func printServed(w io.Writer, e *engine.Engine, took time.Duration) {
	s := e.Stats()
	fmt.Fprintf(w, "received %d events, stored %d, left %d, in %v\n", s.Received, s.Stored, s.InFlight(), took.Round(time.Millisecond))
	for lane := range event.Lane(event.Lanes) {
		processed, stored := e.Latency(lane)
		if processed.Count == 0 {
			continue
		}
		fmt.Fprintf(w, "%-13s processed p50 %v p99 %v max %v, stored p99 %v, SLA of %v missed %d of %d\n", lane,
			ns(processed.Quantile(0.5)), ns(processed.Quantile(0.99)), ns(processed.Max), ns(stored.Quantile(0.99)),
			engine.SLAs[lane], s.Missed[lane], processed.Count)
	}
}

func ns(n int64) time.Duration { return time.Duration(n) }
