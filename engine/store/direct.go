package store

import "unsafe"

// directBlock is what a write past the page cache is aligned to, in memory and
// in the file: the largest block that disks have.
const directBlock = 4096

// stage is the memory that a group is written from when it goes past the page
// cache. Such a write covers whole blocks, so the stage begins with what the
// last block of the segment holds already, and ends in zeros: bytes that were
// durable are written again as they are.
type stage []byte

// newStage has room for a group of n bytes.
func newStage(n int) stage {
	b := make([]byte, n+3*directBlock)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % directBlock
	return b[skip : skip+uintptr(n+2*directBlock)]
}

// load fetches what the block at the segment's end holds.
func (st stage) load(s *segment) error {
	from := s.end - s.end%directBlock
	_, err := s.ReadAt(st[:s.end-from], from)
	return err
}

// write puts the group at the segment's end.
func (st stage) write(s *segment, group []byte) error {
	held := int(s.end % directBlock)
	n := held + copy(st[held:], group)
	whole := (n + directBlock - 1) &^ (directBlock - 1)
	clear(st[n:whole])
	if _, err := s.direct.WriteAt(st[:whole], s.end-int64(held)); err != nil {
		return err
	}
	copy(st, st[n&^(directBlock-1):n])
	return nil
}

// openDirect opens the segment's way past the page cache, if the log is to use
// it and the file system has one.
func (l *Log) openDirect(s *segment) {
	if l.stage == nil {
		return
	}
	if f, err := l.env.disk.OpenDirect(s.name); err == nil {
		s.direct = f
	}
}

// put writes a group at the segment's end, past the page cache if it can.
func (l *Log) put(group []byte) error {
	s := l.segment
	if s.direct != nil {
		err := l.stage.write(s, group)
		if !noDirect(err) {
			return err
		}
		s.direct.Close() // it opens files so, but does not write them
		s.direct = nil
	}
	_, err := s.WriteAt(group, s.end)
	return err
}

// Close closes the segment's files.
func (s *segment) Close() error {
	if s.direct != nil {
		s.direct.Close()
	}
	return s.file.Close()
}
