package store

import (
	"errors"
	"fmt"
	"time"

	"eventstreamcore/engine/event"
)

// Repaired is one thing that Repair did.
type Repaired struct {
	Damage Damage
	Saved  string // file that the bytes taken out were saved in, "" if there were none
}

func (r Repaired) String() string {
	switch {
	case r.Damage.head && r.Saved == "":
		return fmt.Sprintf("%s: header restored from its copy", r.Damage.Segment)
	case r.Damage.head:
		return fmt.Sprintf("%s: set aside as %s: %v", r.Damage.Segment, r.Saved, r.Damage.Why)
	case r.Saved == "":
		return fmt.Sprintf("%s: sequences %d to %d marked as lost", r.Damage.Segment, r.Damage.First, r.Damage.Last)
	}
	return fmt.Sprintf("%s: sequences %d to %d taken out at offset %d, saved as %s", r.Damage.Segment, r.Damage.First, r.Damage.Last, r.Damage.At, r.Saved)
}

// damagesMax bounds one repair: each damage costs a reading of the log.
const damagesMax = 10_000

// Repair takes the corrupt stretches out of the log in dir and keeps everything
// before and behind them: in the place of each it writes a group that names the
// sequences lost, and saves the bytes beside it. What a crash tore it leaves to
// Open. It needs the log alone (ErrLocked), may be interrupted, and does
// nothing to a log that is whole.
func Repair(dir string) ([]Repaired, error) {
	d, err := openFolder(dir, false)
	if err != nil {
		return nil, err
	}
	lock, err := d.Lock()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	return repair(d, time.Now().UnixNano())
}

func repair(d disk, now int64) (done []Repaired, err error) {
	for range damagesMax {
		parts, err := listParts(d)
		if err != nil {
			return done, err
		}
		if len(parts) == 0 && len(done) == 0 {
			return done, ErrNoLog
		}
		v := survey{disk: d, parts: parts}
		v.visit = v.contents
		if err := v.run(0); err != nil {
			return done, err
		}
		next := firstDamage(v.damages, false)
		if next == nil {
			return done, nil
		}
		saved, err := mend(d, &parts[next.index], next, now)
		if err != nil {
			return done, fmt.Errorf("repairing %s: %w", next.Segment, err)
		}
		done = append(done, Repaired{*next, saved})
	}
	return done, errors.New("too many damages: copy the log and repair by hand")
}

// mend mends one damage.
func mend(d disk, p *part, damage *Damage, now int64) (saved string, err error) {
	if damage.head {
		restored, err := restoreHead(d, p)
		if restored || err != nil {
			return "", err
		}
		if saved, err = freeName(d, p.first, quarantineSuffix); err != nil {
			return "", err
		}
		if err := d.Rename(p.name, saved); err != nil {
			return "", err
		}
		return saved, d.SyncDir()
	}
	f, err := d.Open(p.name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if saved, err = quarantine(d, f, p, damage); err != nil {
		return "", err
	}
	if _, err := f.WriteAt(gap(damage, p.salt, now), damage.At); err != nil {
		return "", err
	}
	return saved, f.Sync()
}

// restoreHead writes a segment's head anew from the copy within it.
func restoreHead(d disk, p *part) (restored bool, err error) {
	f, err := d.Open(p.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	b := make([]byte, headerSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		return false, nil // too short to hold one
	}
	if _, bad := decodeHeader(b); bad == nil {
		return false, nil // it is whole, but in the wrong place
	}
	h, bad := decodeHeader(b[headerCopy:])
	if bad != nil || h.first != p.first {
		return false, nil
	}
	clear(b)
	h.encode(b)
	if _, err := f.WriteAt(b, 0); err != nil {
		return false, err
	}
	return true, f.Sync()
}

// quarantine saves the bytes of a damage.
func quarantine(d disk, f file, p *part, damage *Damage) (saved string, err error) {
	end := damage.NextAt
	if damage.Next != damage.Segment {
		if end, err = traces(d, p, damage.At, damage.First); err != nil {
			return "", err
		}
	}
	if end <= damage.At {
		return "", nil
	}
	return saveBytes(d, f, damage.At, end, damage.First, quarantineSuffix)
}

// gap is the group that stands for what was taken out.
func gap(damage *Damage, salt uint32, now int64) []byte {
	b := newBatch(event.RecordSize)
	h := event.Header{Record: event.Record{Length: event.RecordSize, Wall: now, Type: quarantined}}
	if damage.Next == damage.Segment {
		h.ID = uint64(damage.NextAt - damage.At - groupMin)
	}
	h.Seal()
	b.take(h.Encoded(), damage.First, event.RecordSize)
	b.last = damage.Last
	before := &damage.before
	group, _ := b.close(trailer{written: max(now, before.written), durable: damage.Last, prev: before.prev}, salt)
	return group
}
