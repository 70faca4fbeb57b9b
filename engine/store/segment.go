package store

import (
	"fmt"
	"time"
)

// segment is an open segment file being written. Nobody but the committer
// touches it once it has one.
type segment struct {
	file
	header
	marks
	name   string
	end    int64 // where the next group goes
	size   int64 // of the file
	direct file  // its way past the page cache, nil if it has none
}

// spare makes a segment ready under a name without a place, so that taking it
// into use costs one small write. It does nothing if there is one.
func (l *Log) spare() error {
	if l.haveSpare {
		return nil
	}
	f, err := l.env.disk.Create(newName)
	if err != nil {
		return err
	}
	if err = l.extend(f); err == nil {
		err = f.Sync()
	}
	f.Close()
	if err == nil {
		err = l.env.disk.Rename(newName, spareName)
	}
	if err != nil {
		l.env.disk.Remove(newName)
		return fmt.Errorf("making a segment ready: %w", err)
	}
	l.haveSpare = true
	return nil
}

// zeroPiece bounds how much zero filling hands to the disk before a commit gets
// its turn there: with 64 MiB at once the worst thousandth of commits beside it
// took 26 to 31 ms on a virtual disk, so 9 to 19.
const zeroPiece = 1 << 20

// zeroPause bounds how long a commit may wait for a segment that is being filled.
const zeroPause = 10 * time.Millisecond

// extend makes f as long as a segment and, where groups are to be synced, fills
// it with zeros: writing on a place that was never written has metadata to sync.
// Beside a writer it takes the disk half of the time at most, and stops where it
// is when the segment is wanted: an unfilled one is only slower.
func (l *Log) extend(f file) error {
	from, err := f.Size()
	if err == nil {
		err = f.Allocate(l.cfg.SegmentBytes)
	}
	if err != nil || l.cfg.Mode != Group {
		return err
	}
	for at := from; at < l.cfg.SegmentBytes && len(l.wanted) == 0; at += zeroPiece {
		began := l.env.up()
		if _, err := f.WriteAt(zeros[:min(zeroPiece, l.cfg.SegmentBytes-at)], at); err != nil {
			return err
		}
		if l.stop == nil { // nobody writes yet
			continue
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if pause := (pace{stop: l.stop}); !pause.wait(min(l.env.up()-began, zeroPause)) {
			return nil
		}
	}
	return nil
}

// begin makes the segment whose first sequence is given: out of the spare if
// there is one, else new. Its head is synced before anything can follow it.
func (l *Log) begin(first uint64, log [16]byte) (s *segment, err error) {
	from := spareName
	var f file
	if l.haveSpare {
		f, err = l.env.disk.Open(spareName)
		l.haveSpare = false
	} else {
		from = newName
		if f, err = l.env.disk.Create(newName); err == nil {
			err = f.Allocate(l.cfg.SegmentBytes)
		}
	}
	if err == nil {
		s = &segment{file: f, name: segmentName(first), end: headerSize, marks: make(marks, 0, marksMax(l.cfg.SegmentBytes))}
		err = l.inscribe(s, from, first, log)
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		l.env.disk.Remove(from)
		return nil, fmt.Errorf("beginning segment %s: %w", segmentName(first), err)
	}
	return s, nil
}

// inscribe writes the head of s and gives the file its place.
func (l *Log) inscribe(s *segment, from string, first uint64, log [16]byte) error {
	old := make([]byte, headerUsed)
	s.ReadAt(old, 0) // a recycled file's: its salt must not come again
	before, _ := decodeHeader(old)
	var salt [4]byte
	l.env.random(salt[:])
	s.header = header{salt: le.Uint32(salt[:]), log: log, first: first, created: l.env.wall()}
	if s.salt == before.salt {
		s.salt++
	}
	b := make([]byte, headerSize)
	s.header.encode(b)
	if _, err := s.WriteAt(b, 0); err != nil {
		return err
	}
	if err := s.Sync(); err != nil {
		return err
	}
	if err := l.env.disk.Rename(from, s.name); err != nil {
		return err
	}
	size, err := s.Size()
	s.size = size
	if err != nil {
		return err
	}
	if err := l.env.disk.SyncDir(); err != nil {
		return err
	}
	l.openDirect(s)
	return nil
}
