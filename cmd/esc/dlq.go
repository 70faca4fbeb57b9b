package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
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
of payload, and topic. How many there are, and how many older records were let
go of to keep within the bound on disk, goes to stderr.`,
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
	w := bufio.NewWriter(out)
	listed, rotated, first := 0, uint64(0), true
	for e := range r.All() {
		if first {
			rotated, first = e.Sequence-1, false
		}
		if wanted(e) {
			listed++
			fmt.Fprintf(w, "%s  %-20s  %-8s  %d  %d  %q\n", time.Unix(0, e.Wall).UTC().Format("2006-01-02T15:04:05.000Z"),
				wire.Reason(e.Reason), e.Priority, e.ID, len(e.Payload), e.Topic)
		}
	}
	if err := errors.Join(w.Flush(), r.Err()); err != nil {
		return err
	}
	fmt.Fprintf(messages, "%d dead letters", listed)
	if rotated > 0 {
		fmt.Fprintf(messages, "; %d older records were rotated away", rotated)
	}
	fmt.Fprintln(messages)
	return nil
}

func newDLQReplayCommand() *cobra.Command {
	var f letterFlags
	var access accessFlags
	var addr string
	var dry bool
	c := &cobra.Command{
		Use:   "replay --data DIR",
		Short: "Send dead letters to the frame port again",
		Long: `Send dead letters to a frame port again, oldest first, with the ids, priorities
and payloads that they had. They stay in the dead letters: a second replay sends
them a second time, and only the transactional lane tells by their ids.

Exit codes: 0 all were sent, 2 usage, 3 the server was not there or broke the
connection off.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if dry {
				return replayLetters(io.Discard, c.ErrOrStderr(), &f, "would be sent")
			}
			var a drive.Access
			if err := access.parse(&a); err != nil {
				return exit(exitUsage, err)
			}
			return replayTo(c.Context(), addr, a, c.ErrOrStderr(), &f)
		},
	}
	f.add(c)
	access.add(c)
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:9000", "TCP address of the frame port, HOST:PORT")
	c.Flags().BoolVar(&dry, "dry-run", false, "only count what would be sent")
	return c
}

// replayTime bounds the wait for the server: to take one write, and to close its
// end when it has read all.
const replayTime = 30 * time.Second

func replayTo(ctx context.Context, addr string, a drive.Access, messages io.Writer, f *letterFlags) error {
	conn, err := drive.Connect(ctx, addr, a)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	defer conn.Close()
	if err := replayLetters(timely{conn}, messages, f, "sent"); err != nil {
		return err
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return exit(exitUnmeasured, fmt.Errorf("frame port %s: %w", addr, err))
	}
	conn.SetReadDeadline(time.Now().Add(replayTime))
	if _, err := io.Copy(io.Discard, conn); err != nil { // its close says that all was read
		return exit(exitUnmeasured, fmt.Errorf("frame port %s did not read all that was sent: %w", addr, err))
	}
	return nil
}

// timely bounds each write.
type timely struct{ net.Conn }

func (c timely) Write(b []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(replayTime))
	n, err := c.Conn.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: the engine is under pressure, or has stopped", err)
	}
	return n, err
}

func replayLetters(to io.Writer, messages io.Writer, f *letterFlags, done string) error {
	r, wanted, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	w, n := bufio.NewWriterSize(to, 64<<10), 0
	var buffer []byte
	for e := range r.All() {
		if !wanted(e) {
			continue
		}
		frame := wire.Frame{Version: wire.V2, Priority: e.Priority, ID: e.ID, Topic: e.Topic, Payload: e.Payload}
		buffer = frame.Append(buffer[:0])
		if _, err := w.Write(buffer); err != nil {
			return exit(exitUnmeasured, fmt.Errorf("after %d dead letters: %w", n, err))
		}
		n++
	}
	if err := w.Flush(); err != nil {
		return exit(exitUnmeasured, fmt.Errorf("after %d dead letters: %w", n, err))
	}
	if err := r.Err(); err != nil {
		return err
	}
	fmt.Fprintln(messages, strconv.Itoa(n), "dead letters", done)
	return nil
}
