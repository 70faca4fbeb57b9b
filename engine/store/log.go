package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// ErrLocked says that another Log has the folder open for writing.
var ErrLocked = errors.New("log is open in another process: stop it, or name another folder")

// ErrClosed is what a log's Err is once it was closed.
var ErrClosed = errors.New("log is closed")

// surroundings are what a log stands on. Tests put in a disk that fails, a time
// that does not pass, and chances that can be repeated.
type surroundings struct {
	disk   disk
	wall   func() int64         // ns, CLOCK_REALTIME
	up     func() time.Duration // since some moment
	random func([]byte)

	longest int  // bytes of the longest record, padded
	alone   bool // no goroutine of its own: what it would do is done in Commit
	flaws   flaws
}

// flaws make a log wrong on purpose, so that the tests can be seen to notice.
type flaws struct {
	trust    bool // takes every checksum as right
	unsynced bool // says durable without a sync
	retry    bool // tries a failed sync once more
	cut      bool // truncates at the first bad byte, whatever follows
}

func realSurroundings(d disk) surroundings {
	begun := time.Now()
	return surroundings{
		disk:    d,
		wall:    func() int64 { return time.Now().UnixNano() },
		up:      func() time.Duration { return time.Since(begun) },
		random:  func(b []byte) { rand.Read(b) }, // never fails: it ends the program instead
		longest: padded(MaxRecord),
	}
}

// Log is a log open for writing. One goroutine gathers (Append, Offer), one
// commits (Commit); they may be the same. Close comes after both.
type Log struct {
	cfg     Config
	env     surroundings
	lock    io.Closer
	batches [2]batch

	_         cpu.Pad
	next      uint64 // the gatherer's: sequence of the next record
	gathering int    // which batch

	_        cpu.Pad
	offered  atomic.Uint32 // 1 + the batch that the committer has, or 0: the gatherer sets, the committer clears
	gathered atomic.Uint64 // the gatherer writes

	_       cpu.Pad
	written atomic.Uint64 // the committer writes this line
	durable atomic.Uint64
	full    atomic.Bool
	failure atomic.Pointer[error]
	counts  counts

	_ cpu.Pad
	writer
	keeper
}

// counts are the committer's, readable by anyone.
type counts struct{ groups, bytes, syncs, rolls atomic.Uint64 }

// Counts say what a log has done since it was opened.
type Counts struct{ Groups, Bytes, Syncs, Rolls uint64 }

// Open locks the folder, recovers what is in it, and makes it ready to append;
// a missing or empty folder becomes a new log. It fails with ErrLocked, a
// *CorruptError, a *VersionError, or the disk's own error.
func Open(cfg Config) (*Log, Recovery, error) {
	if err := cfg.Validate(); err != nil {
		return nil, Recovery{}, err
	}
	d, err := openFolder(cfg.Dir, true)
	if err != nil {
		return nil, Recovery{}, err
	}
	return open(cfg, realSurroundings(d))
}

func open(cfg Config, env surroundings) (*Log, Recovery, error) {
	lock, err := env.disk.Lock()
	if err != nil {
		return nil, Recovery{}, err
	}
	l := &Log{cfg: cfg, env: env, lock: lock}
	l.prepareMemory()
	report, err := l.recover()
	if err != nil {
		if l.segment != nil {
			l.segment.Close()
		}
		lock.Close()
		return nil, report, fmt.Errorf("log %s: %w", cfg.Dir, err)
	}
	l.next = report.Last + 1
	l.gathered.Store(report.Last)
	l.written.Store(report.Last)
	l.durable.Store(report.Last)
	l.keep()
	return l, report, nil
}

// prepareMemory makes the two batches, and the stage if the log has a use for it.
func (l *Log) prepareMemory() {
	n := max(l.cfg.GroupBytes, l.env.longest)
	for i := range l.batches {
		l.batches[i] = newBatch(n)
	}
	if l.cfg.Direct && l.cfg.Mode == Group {
		l.stage = newStage(n + trailerSize)
	}
}

// Direct reports whether groups go past the page cache. The committer may ask.
func (l *Log) Direct() bool { return l.segment.direct != nil }

// Gathered is the last sequence appended, as of the gatherer's last Offer.
func (l *Log) Gathered() uint64 { return l.gathered.Load() }

// Written is the last sequence handed to the kernel: it survives the process.
func (l *Log) Written() uint64 { return l.written.Load() }

// Durable is the last sequence known to be on the disk.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// Mode is the mode that every acknowledgement from this log is given under.
func (l *Log) Mode() Mode { return l.cfg.Mode }

// Full reports whether the disk has no room. What is gathered is kept and
// tried again; nothing more can be taken until it is written.
func (l *Log) Full() bool { return l.full.Load() }

// Err is the failure that ended this log's writing, or nil. Once set it stays:
// after a failed sync nobody can say what the disk holds.
func (l *Log) Err() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Counts may be called by anyone.
func (l *Log) Counts() Counts {
	c := &l.counts
	return Counts{Groups: c.groups.Load(), Bytes: c.bytes.Load(), Syncs: c.syncs.Load(), Rolls: c.rolls.Load()}
}

// Close commits what is gathered, seals the log and lets the folder go. The
// gatherer and the committer must have ended. After a failure, or with the disk
// full, it says what was not written.
func (l *Log) Close() error {
	if errors.Is(l.Err(), ErrClosed) {
		return ErrClosed
	}
	l.dismiss()
	err := errors.Join(l.finish(), l.release())
	closed := ErrClosed
	l.failure.CompareAndSwap(nil, &closed)
	return errors.Join(err, l.lock.Close())
}

// finish commits both batches and the seal.
func (l *Log) finish() error {
	for range 3 { // the one offered, the one gathered behind it, and the one in its place
		l.retryAt = 0
		if _, err := l.Commit(); err != nil {
			return err
		}
		l.Offer()
	}
	if left := l.next - 1 - l.Written(); left > 0 {
		return fmt.Errorf("log %s: disk full: %d records were not written", l.cfg.Dir, left)
	}
	if err := l.sync(); err != nil || l.cfg.Unsealed {
		return err
	}
	seal := event.Header{Record: event.Record{Length: event.RecordSize, Wall: l.env.wall(), Type: event.TypeSeal}}
	seal.Seal()
	if _, ok := l.Append(&seal); !ok || !l.Offer() {
		return l.Err()
	}
	if _, err := l.Commit(); err != nil {
		return err
	}
	return l.sync()
}
