package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a crash leaves behind is decided here, by these rules:
//
//  1. Only whole groups count: checksum, salt, contiguous sequences, and the
//     checksum of the group before.
//  2. Bad bytes that a later group vouches for (its durable covers them; a seal
//     vouches for everything before it) were safe once: that is corruption, and
//     Open refuses. Repair takes out that stretch alone.
//  3. Any other bad bytes were torn by the crash: nobody was promised them. They
//     are saved, cut off, and counted.
//  4. A failed write or sync ends the writing for good (latch).
//  5. A full disk rolls back to the last whole group and passes (rollBack).
//  6. What was read back but not vouched for is written again and synced before
//     anything follows it: after a failed sync the kernel may hold as clean what
//     the disk never got.
//
// A last group that was damaged after it was synced, with nothing behind it to
// vouch for it, cannot be told from a torn one.

// Recovery is what Open found and did.
type Recovery struct {
	Segments  int
	Records   uint64 // in the segments read: the newest, see Config.CheckBytes
	Last      uint64 // last sequence; in an empty log the one before its first
	Sealed    bool   // the log had been closed cleanly
	Torn      bool   // something was cut off
	TornBytes int64
	TornFile  string // where the first piece of it was saved
	Rewritten int64  // bytes that nothing vouched for, written again and synced
}

func (r Recovery) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d segments, last sequence %d", r.Segments, r.Last)
	switch {
	case r.Sealed:
		b.WriteString(", closed cleanly")
	case r.Torn:
		fmt.Fprintf(&b, ", %d torn bytes cut off and saved as %s", r.TornBytes, r.TornFile)
	case r.Last > 0:
		b.WriteString(", not closed cleanly, nothing torn")
	}
	return b.String()
}

// CorruptError says that bytes which had been safe no longer read back.
type CorruptError struct{ Damage Damage }

func (e *CorruptError) Error() string {
	return e.Damage.String() + ": nothing was changed; save a copy, then run esc log repair"
}

func (e *CorruptError) Unwrap() error { return e.Damage.Why }

// recover brings the folder into a state that can be appended to, and opens
// the segment that comes next.
func (l *Log) recover() (report Recovery, err error) {
	if err := l.tidy(); err != nil {
		return report, err
	}
	v, from, err := l.look()
	if err != nil {
		return report, err
	}
	if len(v.parts) == 0 {
		report.Last = max(l.cfg.First, 1) - 1
		return report, l.create()
	}
	if len(v.damages) > 0 { // what lies behind the first goes with it
		d := &v.damages[0]
		if !d.Torn && !l.env.flaws.cut {
			return report, &CorruptError{*d}
		}
		if err := l.cutOff(v, d, &report); err != nil {
			return report, err
		}
	}
	l.log = v.parts[v.segment].log
	report.Segments, report.Records, report.Last, report.Sealed = v.segment+1, v.records, v.next-1, v.sealed && !report.Torn
	if err := l.setAside(v.parts[v.segment+1:], &report); err != nil {
		return report, err
	}
	return report, l.resume(v, from, &report)
}

// tidy removes what was being made, and notes the spare.
func (l *Log) tidy() error {
	names, err := l.env.disk.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == spareName {
			l.haveSpare = true
		}
		if name == newName || strings.HasSuffix(name, partSuffix) {
			if err := l.env.disk.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// look surveys the newest segments: CheckBytes of them, and further back until
// one begins with everything before it vouched for.
func (l *Log) look() (v *survey, from int, err error) {
	parts, err := listParts(l.env.disk)
	if err != nil {
		return nil, 0, err
	}
	from = len(parts)
	for bytes := int64(0); from > 0 && (bytes == 0 || bytes+parts[from-1].size <= l.cfg.CheckBytes); from-- {
		bytes += parts[from-1].size
	}
	for {
		v = &survey{disk: l.env.disk, parts: parts, trust: l.env.flaws.trust}
		v.visit = v.mark
		if err := v.run(from); err != nil {
			return nil, 0, err
		}
		held := v.standing
		if len(v.damages) > 0 {
			held = v.damages[0].before
		}
		if from == 0 || held.groups > 0 && v.opened+1 >= parts[from].first { // a group to chain to, and nothing owed before it
			return v, from, nil
		}
		from /= 2
	}
}

// create begins an empty folder's log.
func (l *Log) create() error {
	l.env.random(l.log[:])
	if err := l.spare(); err != nil {
		return err
	}
	s, err := l.begin(max(l.cfg.First, 1), l.log)
	l.segment = s
	return err
}

// cutOff saves what is torn, takes the segments behind it out of the log, and
// truncates. It can be interrupted anywhere and done again.
func (l *Log) cutOff(v *survey, d *Damage, report *Recovery) error {
	if err := l.setAside(v.parts[d.index+1:], report); err != nil {
		return err
	}
	p := &v.parts[d.index]
	f, err := l.env.disk.Open(p.name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := l.saveTorn(f, p, d, report); err != nil {
		return err
	}
	if err := f.Truncate(d.At); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	v.standing, v.parts = d.before, v.parts[:d.index+1]
	v.segment, v.at, v.next = d.index, d.At, d.First
	return l.env.disk.SyncDir()
}

// setAside takes segments out of the log: those that hold nothing are removed,
// the others renamed.
func (l *Log) setAside(parts []part, report *Recovery) error {
	for i := len(parts) - 1; i >= 0; i-- {
		p := &parts[i]
		end, err := traces(l.env.disk, p, headerSize, p.first)
		if err != nil {
			return err
		}
		if end == 0 {
			err = l.env.disk.Remove(p.name)
		} else if report.TornFile, err = freeName(l.env.disk, p.first, tornSuffix); err == nil {
			report.Torn, report.TornBytes = true, report.TornBytes+end-headerSize
			err = l.env.disk.Rename(p.name, report.TornFile)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// traces is where the traces of writing in p end, looking from at on, or 0.
func traces(d disk, p *part, at int64, next uint64) (end int64, err error) {
	f, err := d.OpenRead(p.name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s, err := newScanner(f, p.salt)
	if err != nil {
		return 0, err
	}
	return s.remains(at, next)
}

// saveTorn copies the torn bytes of f to a file of their own.
func (l *Log) saveTorn(f file, p *part, d *Damage, report *Recovery) error {
	end, err := traces(l.env.disk, p, d.At, d.First)
	if err != nil || end <= d.At {
		return err
	}
	report.TornFile, err = saveBytes(l.env.disk, f, d.At, end, d.First, tornSuffix)
	report.Torn, report.TornBytes = true, report.TornBytes+end-d.At
	return err
}

// saveBytes copies what f holds from one offset to another, from sequence first
// on, to a file of its own.
func saveBytes(d disk, f file, from, to int64, first uint64, suffix string) (saved string, err error) {
	b := make([]byte, to-from)
	if _, err := f.ReadAt(b, from); err != nil {
		return "", fmt.Errorf("reading what is to be saved: %w", err)
	}
	if saved, err = freeName(d, first, suffix); err != nil {
		return "", err
	}
	return saved, writeWhole(d, saved, b)
}

// freeName is a name for what was cut off or taken out at sequence first.
func freeName(d disk, first uint64, suffix string) (string, error) {
	names, err := d.List()
	if err != nil {
		return "", err
	}
	name := numbered(first) + suffix
	for n := 2; slices.Contains(names, name); n++ {
		name = fmt.Sprintf("%s-%d%s", numbered(first), n, suffix)
	}
	return name, nil
}

// resume makes everything that was read back durable and opens the last
// segment to go on.
func (l *Log) resume(v *survey, from int, report *Recovery) error {
	for i := from; i <= v.segment; i++ {
		p := &v.parts[i]
		f, err := l.env.disk.Open(p.name)
		if err != nil {
			return err
		}
		l.segment = &segment{file: f, header: p.header, name: p.name, end: v.at, marks: v.marks[p.first]}
		n, err := l.rewrite(v, i)
		report.Rewritten += n
		if err == nil && i == v.segment {
			err = l.refill()
		}
		if err == nil {
			err = f.Sync()
		}
		if err == nil && i < v.segment {
			err = f.Close()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	l.prev, l.stamp = v.prev, v.written
	if l.openDirect(l.segment); l.segment.direct != nil {
		if err := l.stage.load(l.segment); err != nil {
			return fmt.Errorf("%s: %w", l.segment.name, err)
		}
	}
	return l.env.disk.SyncDir()
}

// rewrite writes those of a segment's groups again that nothing vouches for,
// byte for byte in their places.
func (l *Log) rewrite(v *survey, i int) (n int64, err error) {
	if i < v.segment && v.parts[i+1].first <= v.durable+1 {
		return 0, nil
	}
	scan, err := newScanner(l.segment.file, l.segment.salt)
	if err != nil {
		return 0, err
	}
	scan.trust = l.env.flaws.trust
	for at := int64(headerSize); i < v.segment || at < v.at; {
		g, bad, err := scan.group(at)
		if bad != nil && i < v.segment { // the segment's end
			break
		}
		if err != nil || bad != nil {
			return n, errors.Join(err, bad)
		}
		if g.last > v.durable {
			if _, err := l.segment.WriteAt(g.bytes, at); err != nil {
				return n, err
			}
			n += int64(len(g.bytes))
		}
		at = g.end
	}
	return n, nil
}

// refill gives the last segment its zeros back, if a cut took them.
func (l *Log) refill() error {
	err := l.extend(l.segment.file)
	if err != nil && !noSpace(err) {
		return err // a full disk is met again when there is something to write
	}
	size, err := l.segment.Size()
	l.segment.size = max(size, l.cfg.SegmentBytes)
	return err
}
