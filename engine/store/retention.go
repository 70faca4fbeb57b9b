package store

import (
	"slices"
	"strings"
)

// retain lets the oldest segments go: while the log is larger than RetainBytes,
// and those whose last record is older than RetainAge. Only whole segments that
// the writer has left count. The first to go becomes the spare, if there is
// none: its blocks are there already.
func (l *Log) retain() error {
	if l.cfg.RetainBytes == 0 && l.cfg.RetainAge == 0 {
		return nil
	}
	parts, err := listParts(l.env.disk)
	if err != nil {
		return err
	}
	total := int64(0)
	for i := range parts {
		total += parts[i].size
	}
	gone := 0
	for i := range parts {
		if parts[i].first >= l.active.Load() || i+1 == len(parts) || !l.expired(total, &parts[i+1]) {
			break
		}
		total -= parts[i].size
		l.expiring.Store(parts[i+1].first)
		if l.cfg.Hold && parts[i+1].first > l.released.Load() {
			continue
		}
		if err := l.letGo(&parts[i]); err != nil {
			return err
		}
		// At once: a later segment must not be gone with this one still there, and
		// a recycled file must not be written while its old name can come back.
		if err := l.env.disk.SyncDir(); err != nil {
			return err
		}
		gone++
	}
	if gone == 0 {
		return nil
	}
	return l.forget(parts[gone].first)
}

// Expiring is the sequence that the log would begin with if all went that may,
// 0 while nothing may. Anyone may ask.
func (l *Log) Expiring() uint64 { return l.expiring.Load() }

// Release lets segments go that Hold kept, up to the one that begins with
// sequence first: at once when that is all that may go, else at the keeper's next
// look. Anyone may call it, as often as they like.
func (l *Log) Release(first uint64) {
	was := l.released.Swap(first)
	if all := l.expiring.Load(); was < all && all <= first {
		select {
		case l.poked <- struct{}{}:
		default: // somebody has said so already
		}
	}
}

// expired reports whether the segment before next may go, from a log of total
// bytes. Its last record was written when next was begun, or just after.
func (l *Log) expired(total int64, next *part) bool {
	if l.cfg.RetainBytes > 0 && total > l.cfg.RetainBytes {
		return true
	}
	return l.cfg.RetainAge > 0 && next.bad == nil && l.env.wall()-next.created > int64(l.cfg.RetainAge)
}

func (l *Log) letGo(p *part) error {
	if l.haveSpare || p.size != l.cfg.SegmentBytes {
		return l.env.disk.Remove(p.name)
	}
	if err := l.env.disk.Rename(p.name, spareName); err != nil {
		return err
	}
	l.haveSpare = true
	return nil
}

// forget removes what belonged to segments before sequence first: indexes, and
// what was torn off or taken out.
func (l *Log) forget(first uint64) error {
	names, err := l.env.disk.List()
	if err != nil {
		return err
	}
	oldest := numbered(first)
	for _, name := range names {
		mine := slices.ContainsFunc([]string{indexSuffix, tornSuffix, quarantineSuffix}, func(s string) bool { return strings.HasSuffix(name, s) })
		if mine && name < oldest {
			if err := l.env.disk.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}
