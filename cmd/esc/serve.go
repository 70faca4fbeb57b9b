package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine"
	"eventstreamcore/engine/admin"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/topic"
)

func newServeCommand() *cobra.Command {
	var file string
	var show bool
	c := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run the engine: take frames over TCP and store them",
		Long: `Run the engine: take frames over TCP and store them in DIR/events.

What it is told comes from a file (--config), the environment (ESC_ and the key
in capitals, as ESC_TCP_ADDR) and flags; each overrules the one before. esc serve
--print-config lists every option, with its meaning and what holds.

SIGTERM and SIGINT stop it: it reads no more, stores what it took in, seals the
log and exits 0. What could not be stored in the drain time is counted and
printed. SIGHUP makes it read the topics anew.

Exit codes: 0 all that was taken in is stored, 1 something is left or the log
failed, 2 usage, 3 it could not start, 4 it does not run where it was told to.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, warnings, err := told(file, os.Environ(), c.Flags())
			if err != nil {
				return exit(exitUsage, err)
			}
			if show {
				return s.print(c.OutOrStdout())
			}
			return serve(c, s, warnings)
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file; docs/config.yaml is one with every option")
	c.Flags().BoolVar(&show, "print-config", false, "print the configuration that would hold, and exit")
	for _, o := range newSettings().options() {
		if o.flag == "" {
			continue
		}
		f := c.Flags().VarPF(o.value, o.flag, "", o.usage)
		if o.value.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
	return c
}

// config makes the engine's configuration. Its errors are usage.
func (s *settings) config(messages io.Writer) (cfg engine.Config, err error) {
	if s.data == "" {
		return cfg, usage("--data is missing: name the folder for the log")
	}
	cfg = s.engine
	cfg.Log.Dir = store.EventsDir(s.data)
	cfg.UDP.Insecure = cfg.TCP.Insecure
	cfg.Replicated = s.cluster.watermark()
	cfg.Log.Hold = cfg.Replicated != nil // what the cluster has not is not let go
	if s.file.Path != "" {
		cfg.Files = []ingest.Input{s.file}
	}
	cfg.Logger = slog.New(slog.NewTextHandler(messages, nil))
	cfg.Alerts = s.alerts.make(cfg.Logger)
	if err := s.guard.apply(&cfg.TCP); err != nil {
		return cfg, exit(exitUsage, err)
	}
	if cfg.Plan, err = s.threads(); err != nil {
		return cfg, exit(exitUsage, err)
	}
	if s.topics != "" {
		table, err := topic.Load(s.topics)
		if err != nil {
			return cfg, exit(exitUsage, err)
		}
		cfg.Topics = new(atomic.Pointer[topic.Table])
		cfg.Topics.Store(table)
	}
	return cfg, nil
}

func serve(c *cobra.Command, s *settings, warnings []string) error {
	cfg, err := s.config(c.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := usable(s.cpus); err != nil {
		return exit(exitUsage, err)
	}
	for _, name := range warnings {
		cfg.Logger.Warn("environment variable names no option: esc serve --print-config lists them", "variable", name)
	}
	e, err := engine.New(cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	if s.idle == duty.Spin {
		cfg.Logger.Warn("--idle spin keeps every thread of the plan at 100 % of a CPU, idle or not")
	}
	part, err := s.join(e, cfg)
	if err != nil {
		return err
	}
	leave, err := s.attend(c.Context(), e, cfg)
	if err != nil {
		return err
	}
	// Last: whoever waits for this line may then send signals, too.
	cfg.Logger.Info("listening", "addr", e.Addr(), "udp", e.DatagramAddr(), "data", s.data, "plan", s.plan, "mode", cfg.Log.Mode.String(), "recovered", e.Recovery)
	began := time.Now()
	err = runPlaced(c.Context(), e, cfg.Logger)
	printServed(c.OutOrStdout(), e, time.Since(began))
	return ended(err, leave(), part(), e.Close())
}

// ended is how a server that ran came to its end: badly is exitMissed, unless one of
// the errors knows better.
func ended(errs ...error) error {
	err := errors.Join(errs...)
	if coded := new(exitError); errors.As(err, &coded) {
		return err
	}
	return exit(exitMissed, err)
}

// runPlaced runs the engine, and stops it again if it is not where it should be.
func runPlaced(ctx context.Context, e *engine.Engine, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	placed := make(chan error, 1)
	go func() {
		defer close(placed)
		select {
		case <-ctx.Done():
		case <-e.Running():
			if err := settleIn(e, log); err != nil {
				placed <- err
				stop()
			}
		}
	}()
	err := e.Run(ctx)
	stop()
	return errors.Join(<-placed, err)
}

// attend opens the admin port and reads topics anew on SIGHUP, until leave.
func (s *settings) attend(ctx context.Context, e *engine.Engine, cfg engine.Config) (leave func() error, err error) {
	leave = func() error { return nil }
	if s.admin.Address != "" {
		s.admin.Version, s.admin.Log = readBuild().Commit, cfg.Logger
		port, err := admin.Listen(s.admin, e)
		if err != nil {
			return nil, err
		}
		cfg.Logger.Info("admin port", "addr", port.Address)
		context.AfterFunc(ctx, port.Stopping)
		leave = port.Close
	}
	if s.topics != "" {
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		go reloadTopics(ctx, hangups, s.topics, cfg.Topics, cfg.Logger)
	}
	return leave, nil
}

// reloadTopics reads the file at every hang-up. What comes in meanwhile is
// judged by the table before, and so is all that follows if the file is bad.
func reloadTopics(ctx context.Context, hangups chan os.Signal, file string, current *atomic.Pointer[topic.Table], log *slog.Logger) {
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		table, err := topic.Load(file)
		if err != nil {
			log.Error("topics stay as they were: mend the file and send SIGHUP again", "err", err)
			continue
		}
		current.Store(table)
		log.Info("topics read anew", "file", file, "patterns", table.Len())
	}
}

// printServed is the account of a run: what came in and what became of it.
func printServed(w io.Writer, e *engine.Engine, took time.Duration) {
	s := e.Stats()
	fmt.Fprintf(w, "received %d events, stored %d, left %d, in %v\n", s.Received, s.Stored, s.InFlight(), took.Round(time.Millisecond))
	if s.Created+s.Settled()-s.Stored > 0 {
		fmt.Fprintf(w, "created %d, duplicates %d, folded %d, dead letters %d kept and %d lost\n", s.Created, s.Duplicates, s.Folded, s.Captured, s.Uncaptured)
	}
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
