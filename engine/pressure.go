package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/store"
)

// Pressure is what an engine does when more comes than it can take.
type Pressure struct {
	Overflow bus.Policies       // what a full lane does with events that may be dropped
	Control  control.Thresholds // when the engine is under pressure
	Dead     Dead               // where dropped events go
}

// Dead is where events go that were given up on.
type Dead struct {
	// Dir is the folder of their log and of dlq_log.txt; by default it lies
	// beside that of the log: DIR/dead for DIR/events, else the log's with ".dead".
	Dir string
	// Depth is how many may wait to be written, each with its slot: a power of
	// two from 64 to 65,536, default 4,096. One more is lost, and counted.
	Depth int
	// RetainBytes bounds the log and the text, each: 2 MiB to 1 TiB, default
	// 64 MiB. The oldest go.
	RetainBytes int64
}

func defaultPressure() Pressure {
	return Pressure{Overflow: bus.DefaultPolicies(), Control: control.Default(), Dead: Dead{Depth: 4096, RetainBytes: 64 << 20}}
}

func (p Pressure) validate() error {
	return errors.Join(p.Overflow.Validate(), p.Control.Validate(), p.Dead.validate())
}

func (d Dead) validate() error {
	if d.Depth < 64 || d.Depth > 1<<16 || d.Depth&(d.Depth-1) != 0 {
		return fmt.Errorf("dead-letter lane: depth %d must be a power of two from 64 to %d", d.Depth, 1<<16)
	}
	if d.RetainBytes < 2*deadSegment || d.RetainBytes > 1<<40 {
		return fmt.Errorf("dead letters: %d bytes retained must be %d to %d", d.RetainBytes, 2*deadSegment, int64(1)<<40)
	}
	return nil
}

// deadSegment is small, for dead letters are let go of by the segment.
const deadSegment = store.SegmentBytesMin

// DeadDir is where the dead letters of the log in logDir lie by default.
func DeadDir(logDir string) string {
	if dir, name := filepath.Split(filepath.Clean(logDir)); name == "events" {
		return filepath.Join(dir, "dead")
	}
	return strings.TrimRight(logDir, string(filepath.Separator)) + ".dead"
}

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
	log, _, err := store.Open(cfg)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	e.deadLog = log
	text, err := openRolling(filepath.Join(e.cfg.Dead.Dir, DeadText), e.cfg.Dead.RetainBytes)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	e.deadText = text
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

// marks are where senders that can be held are: at two fifths of a lane, or of
// the depth that counts as full. They alone never bring about a state of
// pressure, for who can be held needs no defence.
func (e *Engine) marks() (marks [event.Lanes]int) {
	for i, depth := range e.cfg.Lanes {
		marks[i] = max(1, min(depth, e.cfg.Control.MaxQueueDepth)*2/5)
	}
	return marks
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

// rolling is a text file that is begun anew when it has half its bytes; the half
// before it is kept, with .1 behind its name.
type rolling struct {
	path string
	file *os.File
	size int64
	half int64
}

func openRolling(path string, bytes int64) (*rolling, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &rolling{path: path, file: f, size: info.Size(), half: bytes / 2}, nil
}

// Write appends whole lines.
func (r *rolling) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if r.size+int64(len(b)) > r.half && r.size > 0 {
		if err := r.roll(); err != nil {
			return 0, err
		}
	}
	n, err := r.file.Write(b)
	r.size += int64(n)
	return n, err
}

func (r *rolling) roll() error {
	if err := errors.Join(r.file.Close(), os.Rename(r.path, r.path+".1")); err != nil {
		return err
	}
	next, err := openRolling(r.path, 2*r.half)
	if err == nil {
		*r = *next
	}
	return err
}

// Close lets the file go.
func (r *rolling) Close() error { return r.file.Close() }
