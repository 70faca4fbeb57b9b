package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
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

// marks are where senders that can be held are: at two fifths of a lane, or of
// the depth that counts as full. They alone never bring about a state of
// pressure, for who can be held needs no defence.
func (e *Engine) marks() (marks [event.Lanes]int) {
	for i, depth := range e.cfg.Lanes {
		marks[i] = max(1, min(depth, e.cfg.Control.MaxQueueDepth)*2/5)
	}
	return marks
}
