package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// specimen is a small log in one segment and where its groups lie, by which a
// dumb twin of recovery says what each damage must lead to.
type specimen struct {
	rig    *rig
	name   string
	bytes  []byte
	groups []span
}

// newSpecimen writes a log of 64 events, in groups of one to eight.
func newSpecimen(mode Mode, sealed bool, f flaws) (*specimen, error) {
	r := newRig(mode, 5)
	r.flaws = f
	r.cfg.SegmentBytes, r.cfg.RetainBytes, r.limit = 16<<10, 0, 100
	if _, err := r.open(); err != nil {
		return nil, err
	}
	for r.appended < 64 {
		r.now += r.cfg.Interval / 3
		r.append(min(1+r.rng.IntN(8), 64-int(r.appended)))
		if err := r.commit(); err != nil {
			return nil, err
		}
	}
	if sealed {
		if err := r.log.Close(); err != nil {
			return nil, err
		}
	}
	r.note()
	p := &specimen{rig: r, name: r.log.segment.name}
	p.bytes = slices.Clone(r.disk.names[p.name].data)
	s, err := newScanner(&simFile{r.disk, r.disk.names[p.name]}, r.log.segment.salt)
	for at := int64(headerSize); err == nil; {
		g, bad, failed := s.group(at)
		if bad != nil {
			return p, failed
		}
		g.bytes = nil
		p.groups = append(p.groups, g)
		at, err = g.end, failed
	}
	return p, err
}

// vouched reports whether a later group says that group i was durable.
func (p *specimen) vouched(i int) bool {
	return slices.ContainsFunc(p.groups[i+1:], func(g span) bool { return g.durable >= p.groups[i].first })
}

// last is the last sequence of the n first groups.
func (p *specimen) last(n int) uint64 {
	if n == 0 {
		return 0
	}
	return p.groups[n-1].last
}

// try recovers a log whose one segment holds b. It must refuse where refused is
// set, and else find exactly the sequences up to last.
func (p *specimen) try(b []byte, refused bool, last uint64) error {
	d := diskOf(map[string][]byte{p.name: b})
	l := &Log{cfg: p.rig.cfg, env: p.rig.surroundings(d)}
	rec, err := l.recover()
	var corrupt *CorruptError
	var newer *VersionError
	if refused != (errors.As(err, &corrupt) || errors.As(err, &newer)) || !refused && err != nil {
		return fmt.Errorf("recovery says %v, to be refused: %v", err, refused)
	}
	if refused {
		if len(d.names) > 1 || len(d.changes) > 0 {
			return errors.New("refused, but changed the folder")
		}
		return nil
	}
	if rec.Last != last {
		return fmt.Errorf("recovered up to %d, not %d", rec.Last, last)
	}
	return readBack(d, last, p.rig.limit)
}

// everyFlip turns every bit of every step-th byte, one at a time.
func (p *specimen) everyFlip(step int) (cases int, err error) {
	for at := 0; at < len(p.bytes); at += step {
		refused, last := p.expectFlip(int64(at))
		for bit := range 8 {
			b := slices.Clone(p.bytes)
			b[at] ^= 1 << bit
			if err := p.try(b, refused, last); err != nil {
				return cases, fmt.Errorf("bit %d of byte %d: %w", bit, at, err)
			}
			cases++
		}
	}
	return cases, nil
}

// expectFlip is what must come of a flip in the byte at an offset.
func (p *specimen) expectFlip(at int64) (refused bool, last uint64) {
	for i := range p.groups {
		if at >= p.groups[i].at && at < p.groups[i].end {
			return p.vouched(i), p.last(i)
		}
	}
	return at < headerUsed, p.last(len(p.groups)) // the head's fields, or a place where nothing is
}

// everyTruncation cuts the log off at every step-th byte.
func (p *specimen) everyTruncation(step int) (cases int, err error) {
	for size := 0; size < len(p.bytes); size += step {
		whole := 0
		for whole < len(p.groups) && p.groups[whole].end <= int64(size) {
			whole++
		}
		if err := p.try(p.bytes[:size:size], size < headerUsed, p.last(whole)); err != nil {
			return cases, fmt.Errorf("truncated to %d bytes: %w", size, err)
		}
		cases++
	}
	return cases, nil
}

func TestEveryFlipAndTruncation(t *testing.T) {
	t.Parallel()
	total := 0
	for _, part := range []struct {
		mode   Mode
		sealed bool
		step   int
	}{{Group, true, 1}, {Group, false, 13}, {Interval, false, 13}, {OS, true, 31}} {
		if underRace {
			part.step *= 37
		}
		p, err := newSpecimen(part.mode, part.sealed, flaws{})
		if err != nil {
			t.Fatal(err)
		}
		p.bytes = p.bytes[:p.groups[len(p.groups)-1].end+256] // behind it are zeros like these
		flips, err := p.everyFlip(part.step)
		if err != nil {
			t.Fatalf("%+v: %v", part, err)
		}
		cuts, err := p.everyTruncation(part.step)
		if err != nil {
			t.Fatalf("%+v: %v", part, err)
		}
		t.Logf("%+v: %d groups in %d bytes, %d flips, %d truncations", part, len(p.groups), len(p.bytes), flips, cuts)
		total += flips + cuts
	}
	if total < 80_000 && !underRace {
		t.Errorf("%d cases are too few to rely on", total)
	}
}
