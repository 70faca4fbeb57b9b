package engine

import (
	"errors"
	"fmt"
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

// openLetters opens the log of dead letters: synced every 10 ms, or when the
// kernel likes if that is how the log is.
func (e *Engine) openLetters() error {
	if e.cfg.Dead.Dir == "" {
		e.cfg.Dead.Dir = DeadDir(e.cfg.Log.Dir)
	}
	cfg := store.Default(e.cfg.Dead.Dir)
	cfg.SegmentBytes, cfg.RetainBytes, cfg.Mode = deadSegment, e.cfg.Dead.RetainBytes, store.Interval
	if e.cfg.Log.Mode == store.OS {
		cfg.Mode = store.OS
	}
	log, recovery, err := store.Open(cfg)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	e.deadLog = log
	text, err := openRolling(filepath.Join(e.cfg.Dead.Dir, DeadText), e.cfg.Dead.RetainBytes)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	e.deadText = text
	if err := text.catchUp(e.cfg.Dead.Dir, recovery.Last); err != nil {
		e.cfg.Logger.Warn("dead letters: the text lacks some that the log has", "text", text.path, "error", err)
	}
	return nil
}

// assembleLetters makes the lane of dead letters, and the worker that empties it.
func (e *Engine) assembleLetters() {
	lane := &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, e.cfg.Dead.Depth)), Bell: e.bells[Letters]}
	e.letters = &bus.DeadLetters{Lane: lane, Slots: e.slots, Askers: &e.askers}
	e.writer = process.NewLetterWriter(e.letters, e.deadLog, e.deadText, e.cfg.Clock, func(err error) {
		e.cfg.Logger.Error("dead letters are not kept any more, only counted: mend it and start again", "dir", e.cfg.Dead.Dir, "error", err)
	})
	e.workers[Letters] = []duty.Worker{e.writer}
}

// chute is one more stage's way to the dead letters.
func (e *Engine) chute() *bus.Chute {
	c := bus.NewChute(e.letters)
	e.chutes = append(e.chutes, c)
	return c
}

func (e *Engine) closeLetters() (err error) {
	if e.deadLog != nil {
		err = e.deadLog.Close()
	}
	if e.deadText != nil {
		err = errors.Join(err, e.deadText.Close())
	}
	return err
}
