// Package store is the log: what an event becomes when nothing may lose it.
//
// It takes the position that the fastest safe log is a plain one. Records are
// copied once into a group in memory; the group is written whole, with one
// checksum over all of it, and synced whole, while the next one gathers behind
// it. There is no timer and no lingering: the disk's own pace makes the groups
// as large as they need to be. Appending never waits for the disk, a file never
// grows while it is written, and what a crash leaves behind is decided by six
// rules (see recover.go) rather than by hope.
//
// A Log has two threads, which may be one: the gatherer calls Append and Offer,
// the committer calls Commit. Everybody else asks it where it stands. It
// returns states and calls nobody. Readers, Verify and Dump need no lock and
// work beside a live writer, up to its last whole group.
package store

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// Mode is when the log's bytes are made to reach the disk; the numbers are
// those of the answers on the wire.
type Mode uint8

// The modes.
const (
	Group    Mode = iota // a sync a group: what Durable covers survives a power cut
	Interval             // a sync every Interval: a power cut loses what came since the last
	OS                   // the kernel's own time: survives the process, promises nothing beyond

	modes
)

var modeNames = [modes]string{"group", "interval", "os"}

func (m Mode) String() string {
	if m >= modes {
		return fmt.Sprintf("mode(%d)", uint8(m))
	}
	return modeNames[m]
}

// ParseMode is the inverse of String.
func ParseMode(name string) (Mode, error) {
	for i, n := range modeNames {
		if n == name {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("log mode %q: use group, interval or os", name)
}

// Config is what a log is opened with. Default fills everything but Dir.
type Config struct {
	Dir string // folder of the segments; made if missing, one writer at a time

	// SegmentBytes is a segment's size, 1 MiB to 64 GiB, default 64 MiB. Small
	// ones roll often; retention and repair work by the segment, so large ones
	// make both coarse. A group that is larger gets a larger segment.
	SegmentBytes int64

	Mode     Mode
	Interval time.Duration // between syncs in mode interval: 100 us to 1 min, default 10 ms

	// GroupEvents and GroupBytes cap one group: 1 to 65,536 and 4 KiB to 16 MiB,
	// default 8,192 and 1 MiB. They bound what waits for one sync, and the two
	// buffers. One record larger than GroupBytes makes a group of its own.
	GroupEvents int
	GroupBytes  int

	RetainBytes int64         // oldest segments go when the log is larger; 0 keeps all
	RetainAge   time.Duration // segments go when their last record is older; 0 keeps all

	// Hold has segments that may go wait for Release: for who must first write
	// down what is to be known of them.
	Hold bool

	// First is the sequence that an empty folder's log begins with, if that is not 1.
	First uint64

	// CheckBytes is how much of the log Open verifies beyond what it must,
	// newest first; default 1 GiB, about half a second. The scrub does the rest.
	CheckBytes int64

	// Direct writes groups past the page cache in mode group, where the file
	// system can (Log.Direct says). On a virtual disk groups of 1 and 64 events
	// took 3 to 14 % less time by it in each of four runs, those of 1,024 between 8 %
	// less and 5 % more; who reads what has just been written reads the disk.
	// TestProofDurable of package workloads says what it does on yours.
	Direct bool

	// Unsealed leaves the seal out when the log is closed, so that sequences number
	// events and nothing else. The next Open then looks at it as after a crash.
	Unsealed bool

	ScrubRate int64 // bytes a second at which old segments are verified again; 0 never
}

// EventsDir is where a data folder has the log of its events.
func EventsDir(data string) string { return filepath.Join(data, "events") }

// DeadDir is where a data folder has its dead letters.
func DeadDir(data string) string { return filepath.Join(data, "dead") }

// Limits of a Config and of a record.
const (
	SegmentBytesMin = 1 << 20
	SegmentBytesMax = 64 << 30

	// MaxRecord is the size in bytes of the longest record.
	MaxRecord = event.RecordSize + wire.MaxTopic + wire.MaxBody

	groupEventsMax = 1 << 16
	groupBytesMin  = 4 << 10
	groupBytesMax  = 16 << 20
)

// Default is the configuration of a log in dir.
func Default(dir string) Config {
	return Config{
		Dir:          dir,
		SegmentBytes: 64 << 20,
		Mode:         Group,
		Interval:     10 * time.Millisecond,
		GroupEvents:  8192,
		GroupBytes:   1 << 20,
		CheckBytes:   1 << 30,
	}
}

// Validate says what is out of range, naming the field, or returns nil.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("log: no folder given")
	}
	if c.Mode >= modes {
		return fmt.Errorf("log mode %d: use 0 (group), 1 (interval) or 2 (os)", c.Mode)
	}
	for _, f := range []struct {
		name            string
		value, min, max int64
	}{
		{"segment size", c.SegmentBytes, SegmentBytesMin, SegmentBytesMax},
		{"interval in ns", int64(c.Interval), int64(100 * time.Microsecond), int64(time.Minute)},
		{"events in a group", int64(c.GroupEvents), 1, groupEventsMax},
		{"bytes in a group", int64(c.GroupBytes), groupBytesMin, groupBytesMax},
		{"bytes retained", c.RetainBytes, 0, math.MaxInt64},
		{"age retained in ns", int64(c.RetainAge), 0, math.MaxInt64},
		{"bytes checked on open", c.CheckBytes, 0, math.MaxInt64},
		{"scrub rate", c.ScrubRate, 0, math.MaxInt64},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("log %s: %d is out of range %d to %d", f.name, f.value, f.min, f.max)
		}
	}
	return nil
}
