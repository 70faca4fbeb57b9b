package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
)

func newDLQReplayCommand() *cobra.Command {
	var f letterFlags
	var access accessFlags
	var addr string
	var dry, again bool
	c := &cobra.Command{
		Use:   "replay --data DIR",
		Short: "Send dead letters to the frame port again",
		Long: `Send dead letters to a frame port again, oldest first, with the ids, priorities
and payloads that they had, and ask of each that it be durable (under --mode os:
stored). Those that were answered so are marked as replayed in the file ` + marksName + `
beside the letters; the next replay leaves them out, so one that was interrupted
goes on where it stopped. What it had sent and not yet marked is sent again: the
transactional lane knows it by its id.

A letter that is given up on again is a new letter, and the old one is marked as
soon as the new one is kept. One that is refused stays.

Exit codes: 0 all are safe, 1 some were given up on again or refused, 2 usage, 3
the server was not there, broke the connection off or stayed paused.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			r := replay{addr: addr, letters: &f, all: again, messages: c.ErrOrStderr()}
			if dry {
				return r.count()
			}
			if err := access.parse(&r.access); err != nil {
				return exit(exitUsage, err)
			}
			return r.run(c.Context())
		},
	}
	f.add(c)
	access.add(c)
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:9000", "TCP address of the frame port, HOST:PORT")
	c.Flags().BoolVar(&dry, "dry-run", false, "only count what would be sent")
	c.Flags().BoolVar(&again, "again", false, "send those that were replayed, too")
	return c
}

const (
	// replayTime bounds every wait for the server: to take a batch, to answer one,
	// for a pause to end.
	replayTime  = 30 * time.Second
	replayPause = 100 * time.Millisecond // before what was paused is sent again

	// New letters are in their log milliseconds after the answer.
	buryTime  = 5 * time.Second
	buryPause = 10 * time.Millisecond

	// A batch is answered to the last before the next is sent, and then marked: a
	// replay that dies has sent no more than that in vain.
	replayBatch = 1024
	replayBytes = 4 << 20
)

// replay sends letters and marks those that are safe.
type replay struct {
	addr     string
	access   drive.Access
	letters  *letterFlags
	all      bool // also those that were replayed
	messages io.Writer

	conn  net.Conn
	level wire.Level
	marks *marks
	done  map[mark]bool    // by earlier replays
	last  uint64           // sequence of the last letter to be sent: what comes meanwhile is left alone
	open  map[uint64][]one // sent and not answered, by id, in the order sent
	moved time.Time        // when the last answer came that settled a letter

	safe     int               // letters at the level asked; duplicates and folded ones are, too
	buried   map[uint64][]mark // given up on again, by id, and their new letters not found yet
	reburied int               // given up on again, and found
	refused  [wire.Reasons]int
}

// one is a letter on its way.
type one struct {
	mark
	frame wire.Frame
}

// survey counts what is to be sent, and collects the marks of letters that are
// still there.
func (r *replay) survey() (wanting int, kept []mark, err error) {
	if r.done, err = readMarks(r.letters.data); err != nil {
		return 0, nil, err
	}
	letters, wanted, err := r.letters.open()
	if err != nil {
		return 0, nil, err
	}
	defer letters.Close()
	for e := range letters.All() {
		r.last = e.Sequence
		if r.done[markOf(e)] {
			kept = append(kept, markOf(e))
		}
		if wanted(e) && r.due(e) {
			wanting++
		}
	}
	return wanting, kept, letters.Err()
}

// due reports whether the letter was not replayed yet, or is to be all the same.
func (r *replay) due(e *store.Entry) bool { return r.all || !r.done[markOf(e)] }

func (r *replay) count() error {
	wanting, _, err := r.survey()
	if err == nil {
		fmt.Fprintln(r.messages, wanting, "dead letters would be sent")
	}
	return err
}

func (r *replay) run(ctx context.Context) error {
	claim, err := claimMarks(r.letters.data)
	if err != nil {
		return err
	}
	defer claim.Close()
	_, kept, err := r.survey()
	if err != nil {
		return err
	}
	if r.conn, err = drive.Connect(ctx, r.addr, r.access); err != nil {
		return exit(exitUnmeasured, err)
	}
	defer r.conn.Close()
	if r.marks, err = openMarks(r.letters.data, kept); err != nil {
		return fmt.Errorf("marking what was replayed: %w", err)
	}
	defer r.marks.close()
	r.level, r.open, r.buried = wire.LevelDurable, map[uint64][]one{}, map[uint64][]mark{}
	err = r.sendAll(ctx)
	return errors.Join(err, r.bury(), r.report(err == nil))
}

// sendAll sends the letters that are wanted, batch by batch.
func (r *replay) sendAll(ctx context.Context) error {
	letters, wanted, err := r.letters.open()
	if err != nil {
		return err
	}
	defer letters.Close()
	var batch []one
	size := 0
	for letters.Next() && letters.Entry().Sequence <= r.last {
		e := letters.Entry()
		if !wanted(e) || !r.due(e) {
			continue
		}
		batch = append(batch, one{markOf(e), frameOf(e)})
		if size += len(e.Topic) + len(e.Payload); len(batch) == replayBatch || size >= replayBytes {
			if err := r.send(ctx, batch); err != nil {
				return err
			}
			batch, size = batch[:0], 0
		}
	}
	return errors.Join(letters.Err(), r.send(ctx, batch))
}

// frameOf is the event that a letter was, in memory of its own.
func frameOf(e *store.Entry) wire.Frame {
	return wire.Frame{Version: wire.V2, Priority: e.Priority, ID: e.ID, Topic: bytes.Clone(e.Topic), Payload: bytes.Clone(e.Payload)}
}

// send sends a batch, and what of it was not taken again, until all is answered.
func (r *replay) send(ctx context.Context, batch []one) error {
	for r.moved = time.Now(); len(batch) > 0; {
		switch {
		case ctx.Err() != nil:
			return exit(exitInterrupted, errors.New("interrupted: the same command goes on from here"))
		case time.Since(r.moved) > replayTime:
			return exit(exitUnmeasured, fmt.Errorf("frame port %s: no transactions are taken for %v: the engine is under pressure", r.addr, replayTime))
		}
		var frames []byte
		for _, o := range batch {
			o.frame.Flags = wire.WithLevel(r.level)
			frames = o.frame.Append(frames)
			r.open[o.frame.ID] = append(r.open[o.frame.ID], o)
		}
		r.conn.SetWriteDeadline(time.Now().Add(replayTime))
		if _, err := r.conn.Write(frames); err != nil {
			return r.broken(err)
		}
		var err error
		if batch, err = r.hear(len(batch)); err != nil {
			return err
		}
	}
	return nil
}

// hear hears n answers, marks what is safe and returns what is to be sent again.
// What was answered is marked also where the others fail.
func (r *replay) hear(n int) (rest []one, err error) {
	var safe []mark
	for range n {
		var o one
		var a wire.Answer
		if o, a, err = r.answer(); err != nil {
			break
		}
		switch r.judge(o, a) {
		case letterSafe:
			safe = append(safe, o.mark)
		case letterUntaken:
			rest = append(rest, o)
		}
	}
	if len(rest) == n { // nothing moves
		time.Sleep(replayPause)
	}
	r.safe += len(safe)
	return rest, errors.Join(err, r.marks.add(safe))
}

// answer reads one answer, and finds the letter that it is about.
func (r *replay) answer() (o one, a wire.Answer, err error) {
	var b [wire.AnswerSize]byte
	r.conn.SetReadDeadline(time.Now().Add(replayTime))
	if _, err := io.ReadFull(r.conn, b[:]); err != nil {
		return o, a, r.broken(err)
	}
	a, status := wire.DecodeAnswer(b[:])
	waiting := r.open[a.ID]
	if status != wire.OK || len(waiting) == 0 {
		return o, a, r.broken(fmt.Errorf("an answer that was not asked for: %+v (%v)", a, status))
	}
	if r.open[a.ID] = waiting[1:]; len(waiting) == 1 {
		delete(r.open, a.ID)
	}
	return waiting[0], a, nil
}

// verdict on a letter.
type letterVerdict int

const (
	letterSafe    letterVerdict = iota
	letterUntaken               // not now, or not at this level
	letterStays
)

func (r *replay) judge(o one, a wire.Answer) letterVerdict {
	switch {
	case a.Reason == wire.ReasonPaused && a.Outcome == wire.Rejected:
		return letterUntaken
	case a.Reason == wire.ReasonUnavailable && a.Mode == wire.ModeOS && wire.LevelOf(o.frame.Flags) == wire.LevelDurable:
		r.level = wire.LevelStored // the most that this log promises
		return letterUntaken
	case a.Outcome == wire.DeadLettered:
		r.buried[a.ID] = append(r.buried[a.ID], o.mark)
	case a.Outcome == wire.Rejected:
		r.refused[a.Reason]++
	}
	r.moved = time.Now()
	if a.Outcome == wire.DeadLettered || a.Outcome == wire.Rejected {
		return letterStays
	}
	return letterSafe
}

// broken says what a connection that failed means.
func (r *replay) broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: the engine is under pressure, or has stopped", err)
	}
	return exit(exitUnmeasured, fmt.Errorf("frame port %s: %w: the same command goes on from here", r.addr, err))
}

// bury marks the letters that were given up on again and whose new letters are
// in the log, which may take a moment.
func (r *replay) bury() error {
	if len(r.buried) == 0 {
		return nil
	}
	letters, err := store.NewReader(store.DeadDir(r.letters.data))
	if err != nil {
		return err
	}
	defer letters.Close()
	if err := letters.SeekSequence(r.last + 1); err != nil {
		return err
	}
	var found []mark
	for deadline := time.Now().Add(buryTime); len(r.buried) > 0 && time.Now().Before(deadline); time.Sleep(buryPause) {
		for e := range letters.All() {
			if old := r.buried[e.ID]; len(old) > 0 {
				found = append(found, old[0])
				r.buried[e.ID] = old[1:]
			}
			if len(r.buried[e.ID]) == 0 {
				delete(r.buried, e.ID)
			}
		}
	}
	r.reburied = len(found)
	return errors.Join(letters.Err(), r.marks.add(found))
}

// report says what became of the letters; complete is whether all were sent.
func (r *replay) report(complete bool) error {
	fmt.Fprintln(r.messages, r.safe, "dead letters replayed:", map[wire.Level]string{wire.LevelDurable: "durable", wire.LevelStored: "stored"}[r.level])
	var stay []string
	for reason, n := range r.refused {
		if n > 0 {
			stay = append(stay, fmt.Sprintf("%d refused: %v", n, wire.Reason(reason)))
		}
	}
	if r.reburied > 0 {
		stay = append(stay, fmt.Sprintf("%d given up on again: they are new letters", r.reburied))
	}
	lost := 0
	for _, old := range r.buried {
		lost += len(old)
	}
	if lost > 0 {
		stay = append(stay, fmt.Sprintf("%d given up on again, and their new letters not found: the old ones stay", lost))
	}
	if len(stay) == 0 || !complete {
		return nil
	}
	return exit(exitMissed, errors.New(strings.Join(stay, "; ")))
}
