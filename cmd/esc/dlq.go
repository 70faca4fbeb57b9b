package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

func newDLQCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dlq",
		Short: "List or replay the events that were given up on",
		Long: `List or replay the dead letters of a data folder: the events that the engine
gave up on, with the reason. Both work beside a running engine.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDLQListCommand(), newDLQReplayCommand())
	return c
}

// letterFlags choose dead letters.
type letterFlags struct {
	data, reason, since, topic string
}

func (f *letterFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.data, "data", "", "data folder, as of esc serve (required)")
	c.Flags().StringVar(&f.reason, "reason", "", "only those given up on for this, as queue_full or processing_failed")
	c.Flags().StringVar(&f.since, "since", "", "only those received since: a time as 2006-01-02T15:04:05Z, or how long ago as 90m")
	c.Flags().StringVar(&f.topic, "topic", "", "only those of this topic")
}

// open is a reader of those chosen; its errors are usage but for the folder's.
func (f *letterFlags) open() (*store.Reader, func(*store.Entry) bool, error) {
	if f.data == "" {
		return nil, nil, usage("--data is missing: name the data folder")
	}
	reason, err := parseReason(f.reason)
	if err != nil {
		return nil, nil, exit(exitUsage, err)
	}
	since := time.Unix(0, 0)
	if f.since != "" {
		if since, err = parseSince(f.since, time.Now()); err != nil {
			return nil, nil, err
		}
	}
	r, err := store.NewReader(store.DeadDir(f.data))
	if err != nil {
		return nil, nil, exit(exitUnmeasured, fmt.Errorf("dead letters of %s: %w", f.data, err))
	}
	return r, func(e *store.Entry) bool {
		return e.Type == event.TypeDeadLetter && e.Wall >= since.UnixNano() &&
			(reason == wire.ReasonNone || wire.Reason(e.Reason) == reason) && (f.topic == "" || string(e.Topic) == f.topic)
	}, nil
}

// parseReason is the inverse of wire.Reason.String; nothing is any reason.
func parseReason(name string) (wire.Reason, error) {
	if name == "" {
		return wire.ReasonNone, nil
	}
	var names []string
	for r := wire.ReasonNone + 1; r < wire.Reasons; r++ {
		if r.String() == name {
			return r, nil
		}
		names = append(names, r.String())
	}
	slices.Sort(names)
	return 0, fmt.Errorf("--reason %s: use one of %v", name, names)
}

func newDLQListCommand() *cobra.Command {
	var f letterFlags
	c := &cobra.Command{
		Use:   "list --data DIR",
		Short: "Print the dead letters, oldest first",
		Long: `Print the dead letters, oldest first: when received, reason, priority, id, bytes
of payload, topic, and "replayed" behind those that were. How many there are, and
how many older records were let go of to keep within the bound on disk, goes to
stderr.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return listLetters(c.OutOrStdout(), c.ErrOrStderr(), &f) },
	}
	f.add(c)
	return c
}

func listLetters(out, messages io.Writer, f *letterFlags) error {
	r, wanted, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	done, err := readMarks(f.data)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	listed, replayed, rotated, first := 0, 0, uint64(0), true
	for e := range r.All() {
		if first {
			rotated, first = e.Sequence-1, false
		}
		if wanted(e) {
			listed++
			fmt.Fprintf(w, "%s  %-20s  %-8s  %d  %d  %q", time.Unix(0, e.Wall).UTC().Format("2006-01-02T15:04:05.000Z"),
				wire.Reason(e.Reason), e.Priority, e.ID, len(e.Payload), e.Topic)
			if done[markOf(e)] {
				replayed++
				fmt.Fprint(w, "  replayed")
			}
			fmt.Fprintln(w)
		}
	}
	if err := errors.Join(w.Flush(), r.Err()); err != nil {
		return err
	}
	fmt.Fprintf(messages, "%d dead letters", listed)
	if replayed > 0 {
		fmt.Fprintf(messages, ", %d of them replayed", replayed)
	}
	if rotated > 0 {
		fmt.Fprintf(messages, "; %d older records were rotated away", rotated)
	}
	fmt.Fprintln(messages)
	return nil
}
