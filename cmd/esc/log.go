package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/store"
	"eventstreamcore/engine/topic"
)

// exitTorn is esc log verify's: the log ends in what a crash tore.
const exitTorn = 3

func newLogCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Read, check and mend a log",
		Long: `Read, check and mend a log. DIR is a data folder, as of esc serve --data, or the
folder of the segments itself. All but repair work beside a running server, up
to the last whole group.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q: esc log has dump, verify, repair and stat", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLogDumpCommand(), newLogVerifyCommand(), newLogRepairCommand(), newLogStatCommand())
	return c
}

// logFolder is the folder of segments that an argument means.
func logFolder(dir string, dead bool) string {
	sub := store.EventsDir(dir)
	if dead {
		sub = store.DeadDir(dir)
	}
	if info, err := os.Stat(sub); err == nil && info.IsDir() {
		return sub
	}
	return dir
}

// oneFolder wants the one argument of the log's commands.
func oneFolder(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("esc log %s takes one folder: a data folder, or that of the segments", c.Name())
	}
	return nil
}

type dumpFlags struct {
	format, topic, since string
	from, limit          uint64
	follow, dead         bool
}

func newLogDumpCommand() *cobra.Command {
	var f dumpFlags
	c := &cobra.Command{
		Use:   "dump DIR",
		Short: "Write a log's events to stdout",
		Long: `Write a log's events to stdout: as JSON, one object a line (ids are strings, for
they have 64 bits; a payload that is no UTF-8 is payload_base64); as frames,
which esc load's servers read; or as the records of the original's events.bin,
whose ids have 32 bits only: the ones that lose by it are counted.

Exit codes: 0 all there is was written, 1 it is corrupt from there on (esc log
verify), 2 usage or no log, 3 it could not be read or written, 130 interrupted
(only with --follow).`,
		Args: oneFolder,
		RunE: func(c *cobra.Command, args []string) error { return dumpLog(c, f, args[0]) },
	}
	c.Flags().StringVar(&f.format, "format", "json", "json, frames or original")
	c.Flags().StringVar(&f.topic, "topic", "", "only topics that match: levels between /, + for any one, # at the end for any more")
	c.Flags().Uint64Var(&f.from, "from", 0, "begin with this sequence")
	c.Flags().StringVar(&f.since, "since", "", "begin with what was received then: 2006-01-02T15:04:05Z, or 10m for ten minutes ago")
	c.Flags().Uint64Var(&f.limit, "limit", 0, "stop after so many; 0 never")
	c.Flags().BoolVar(&f.follow, "follow", false, "go on with what is still to be written, until interrupted")
	c.Flags().BoolVar(&f.dead, "dead", false, "the dead letters of a data folder instead of its events")
	return c
}

func dumpLog(c *cobra.Command, f dumpFlags, dir string) error {
	format, err := store.ParseFormat(f.format)
	if err != nil {
		return exit(exitUsage, err)
	}
	r, err := f.reader(logFolder(dir, f.dead))
	if err != nil {
		return err
	}
	defer r.Close()
	total, err := f.dump(c.Context(), c.OutOrStdout(), r, format)
	if total.CutIDs > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "esc: warning: %d of %d ids do not fit the format %v and were cut\n", total.CutIDs, total.Records, format)
	}
	if r.Lost > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "esc: warning: %d sequences are missing: repair had taken them out\n", r.Lost)
	}
	if corrupt := new(store.CorruptError); errors.As(err, &corrupt) {
		return exit(exitMissed, err)
	}
	return err
}

// reader stands where the flags say.
func (f dumpFlags) reader(dir string) (*store.Reader, error) {
	since, err := parseSince(f.since, time.Now())
	if err != nil {
		return nil, err
	}
	if f.from != 0 && f.since != "" {
		return nil, usage("--from and --since exclude each other")
	}
	pattern, err := topic.ParsePattern(cmp.Or(f.topic, "#"))
	if err != nil {
		return nil, usage("--topic: %v", err)
	}
	r, err := store.NewReader(dir)
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	if f.topic != "" {
		r.Match = pattern.Matches
	}
	if f.since != "" {
		err = r.SeekTime(since.UnixNano())
	} else {
		err = r.SeekSequence(f.from)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

const followPoll = 20 * time.Millisecond

// dump writes until the log's end, or, following, until ctx ends.
func (f dumpFlags) dump(ctx context.Context, w io.Writer, r *store.Reader, format store.Format) (total store.Dumped, err error) {
	out := bufio.NewWriterSize(w, 1<<16)
	for {
		left := f.limit
		if left != 0 {
			left -= total.Records
		}
		n, err := store.Dump(out, r, format, left)
		total.Records += n.Records
		total.CutIDs += n.CutIDs
		if err = errors.Join(err, out.Flush()); err != nil || !f.follow || f.limit != 0 && total.Records == f.limit {
			return total, err
		}
		select {
		case <-ctx.Done():
			return total, exit(exitInterrupted, fmt.Errorf("interrupted after %d records", total.Records))
		case <-time.After(followPoll):
		}
	}
}

// parseSince reads a time, or how long ago.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	if ago, err := time.ParseDuration(s); err == nil {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return at, usage("--since %q: give a time as 2006-01-02T15:04:05Z, or how long ago as 10m", s)
	}
	return at, nil
}

func newLogVerifyCommand() *cobra.Command {
	var asJSON, dead bool
	c := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every checksum of a log",
		Long: `Check every checksum of a log and say where the first bad byte is, to the record
that it lies in, and whether a crash tore it or it is corrupt: bytes that had been
safe. The last line counts the records.

Exit codes: 0 whole, 1 corrupt (esc log repair mends it), 2 usage or no log,
3 torn at the end (the server cuts it off when it starts; nobody was promised
what is lost by it, but see README on a damaged last group).`,
		Args: oneFolder,
		RunE: func(c *cobra.Command, args []string) error { return verifyLog(c.OutOrStdout(), args[0], dead, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	c.Flags().BoolVar(&dead, "dead", false, "the dead letters of a data folder instead of its events")
	return c
}

func verifyLog(w io.Writer, dir string, dead, asJSON bool) error {
	dir = logFolder(dir, dead)
	r, err := store.Verify(dir)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("%s: %w", dir, err))
	}
	if asJSON {
		err = json.NewEncoder(w).Encode(r)
	} else {
		err = printReport(w, &r)
	}
	if err != nil {
		return err
	}
	switch corrupt, torn := r.Corrupt(), r.Torn(); {
	case corrupt != nil:
		return exit(exitMissed, fmt.Errorf("%s is corrupt: %v: save a copy, then run esc log repair %s", dir, corrupt, dir))
	case torn != nil && !r.Live:
		return exit(exitTorn, fmt.Errorf("%s is torn: %v: esc serve cuts it off when it starts", dir, torn))
	}
	return nil
}

func printReport(w io.Writer, r *store.Report) error {
	for i := range r.Damages {
		if d := &r.Damages[i]; !d.Torn || !r.Live {
			fmt.Fprintln(w, d)
		}
	}
	if r.Lost > 0 {
		fmt.Fprintf(w, "%d sequences had been taken out by repair\n", r.Lost)
	}
	end := "whole, not closed cleanly"
	switch {
	case r.Corrupt() != nil:
		end = "corrupt"
	case r.Live:
		end = "whole so far, being written"
	case r.Torn() != nil:
		end = "torn at the end"
	case r.Sealed:
		end = "whole, closed cleanly"
	}
	what := fmt.Sprintf("%d records", r.Records)
	if r.DeadLetters > 0 {
		what = fmt.Sprintf("%d dead letters", r.DeadLetters)
	}
	_, err := fmt.Fprintf(w, "%s, sequences %d to %d, %d groups in %d segments: %s\n", what, r.First, r.Last, r.Groups, r.Segments, end)
	return err
}

func newLogRepairCommand() *cobra.Command {
	var dead bool
	c := &cobra.Command{
		Use:   "repair DIR",
		Short: "Take the corrupt stretches out of a log, and nothing else",
		Long: `Take the corrupt stretches out of a log and keep everything before and behind
them. What is taken out is saved beside the segments, and the sequences lost are
noted in their place. A log that is whole is left as it is. The server must not
be running. Save a copy first.

Exit codes: 0 the log is whole now, 1 it could not be mended, 2 usage or no log.`,
		Args: oneFolder,
		RunE: func(c *cobra.Command, args []string) error {
			dir := logFolder(args[0], dead)
			done, err := store.Repair(dir)
			for _, r := range done {
				fmt.Fprintln(c.OutOrStdout(), r)
			}
			if errors.Is(err, store.ErrNoLog) || errors.Is(err, os.ErrNotExist) {
				return exit(exitUsage, fmt.Errorf("%s: %w", dir, err))
			}
			if err == nil && len(done) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "nothing to mend")
			}
			return exit(exitMissed, err)
		},
	}
	c.Flags().BoolVar(&dead, "dead", false, "the dead letters of a data folder instead of its events")
	return c
}

func newLogStatCommand() *cobra.Command {
	var asJSON, dead bool
	c := &cobra.Command{
		Use:   "stat DIR",
		Short: "Say what a log holds, at a glance",
		Long: `Say what a log holds, at a glance: only its last segments are read. esc log
verify reads all of it.

Exit codes: 0 ok, 2 usage or no log.`,
		Args: oneFolder,
		RunE: func(c *cobra.Command, args []string) error {
			dir := logFolder(args[0], dead)
			s, err := store.ReadStat(dir)
			if err != nil {
				return exit(exitUsage, fmt.Errorf("%s: %w", dir, err))
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(s)
			}
			return printStat(c.OutOrStdout(), &s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	c.Flags().BoolVar(&dead, "dead", false, "the dead letters of a data folder instead of its events")
	return c
}

func printStat(w io.Writer, s *store.Stat) error {
	for _, g := range s.Segments {
		note := g.Created.UTC().Format(time.RFC3339)
		switch {
		case g.Problem != "":
			note = "damaged: " + g.Problem
		case g.Used != 0:
			note += fmt.Sprintf(", %d bytes used", g.Used)
		}
		held := fmt.Sprintf("%d to %d", g.First, g.Last)
		if g.Last < g.First {
			held = "empty"
		}
		fmt.Fprintf(w, "%s  %12d bytes  sequences %s, since %s\n", g.Name, g.Bytes, held, note)
	}
	for _, name := range append(s.Torn, s.Quarantined...) {
		fmt.Fprintf(w, "%s  set aside\n", name)
	}
	state := "not closed cleanly"
	switch {
	case s.Live:
		state = "being written"
	case s.Sealed:
		state = "closed cleanly"
	}
	_, err := fmt.Fprintf(w, "sequences %d to %d in %d segments, %d bytes, %s\n", s.First, s.Last, len(s.Segments), s.Bytes, state)
	return err
}
