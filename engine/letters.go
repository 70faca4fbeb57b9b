package engine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/store"
)

// DeadText is the name of the original's form of the dead letters, in their folder.
const DeadText = "dlq_log.txt"

// letters are the way of what is given up on: from a chute at each stage that
// does, over one lane, into a log and a text.
type letters struct {
	chutes []*bus.Chute
	lane   *bus.DeadLetters
	writer *process.LetterWriter
	log    letterKeeper
	text   io.WriteCloser
}

// open opens the log: synced every 10 ms, or when the kernel likes if that is how
// the log of events is. A text that lacks letters is a warning.
func (l *letters) open(cfg Dead, mode store.Mode, warn *slog.Logger) error {
	keep := store.Default(cfg.Dir)
	keep.SegmentBytes, keep.RetainBytes, keep.Mode = deadSegment, cfg.RetainBytes, store.Interval
	if mode == store.OS {
		keep.Mode = store.OS
	}
	log, recovery, err := store.Open(keep)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	l.log = log
	text, err := openRolling(filepath.Join(cfg.Dir, DeadText), cfg.RetainBytes)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	l.text = text
	if err := text.catchUp(cfg.Dir, recovery.Last); err != nil {
		warn.Warn("dead letters: the text lacks some that the log has", "text", text.path, "error", err)
	}
	return nil
}

// chute is one more stage's way in.
func (l *letters) chute() *bus.Chute {
	c := bus.NewChute(l.lane)
	l.chutes = append(l.chutes, c)
	return c
}

// fates counts what was given up on.
func (l *letters) fates(s *Stats) {
	s.Captured, s.Uncaptured = l.writer.Captured.Load(), l.writer.Uncaptured.Load()
	for _, c := range l.chutes {
		s.Uncaptured += c.Uncaptured.Load()
		for reason := range c.Dropped {
			s.Dropped[reason] += c.Dropped[reason].Load()
		}
	}
}

func (l *letters) close() (err error) {
	if l.log != nil {
		err = l.log.Close()
	}
	if l.text != nil {
		err = errors.Join(err, l.text.Close())
	}
	return err
}

// assembleLetters makes the lane of dead letters, and the worker that empties it.
func (e *Engine) assembleLetters() {
	lane := &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, e.cfg.Dead.Depth)), Bell: e.staff.bells[Letters]}
	e.dead.lane = &bus.DeadLetters{Lane: lane, Slots: e.slots, Askers: &e.askers}
	e.dead.writer = process.NewLetterWriter(e.dead.lane, e.dead.log, e.dead.text, e.cfg.Clock, func(err error) {
		e.cfg.Logger.Error("dead letters are not kept any more, only counted: mend it and start again", "dir", e.cfg.Dead.Dir, "error", err)
	})
	e.staff.workers[Letters] = []duty.Worker{e.dead.writer}
}
