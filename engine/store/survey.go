package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"eventstreamcore/engine/event"
)

// Damage is a stretch of the log that does not read back as it was written.
type Damage struct {
	Segment     string // file name
	At          int64  // offset of the first bad byte's group
	Bad         int64  // offset of the record or trailer that it lies in, as far as that can be told
	Next        string // file of the group that follows, "" if none does
	NextAt      int64  // its offset
	First, Last uint64 // sequences missing; Last is 0 when nothing follows
	Why         error
	Torn        bool // by a crash, so nobody was promised it; else corrupt

	index  int // of the segment among the parts
	before standing
	sure   bool // no crash explains it
	head   bool // it is the segment's head that is bad
}

func (d *Damage) String() string {
	kind, lost := "corrupt", fmt.Sprintf("sequences %d to %d", d.First, d.Last)
	if d.Torn {
		kind = "torn"
	}
	if d.Last == 0 {
		lost = fmt.Sprintf("sequences from %d on", d.First)
	}
	where := fmt.Sprintf("offset %d", d.At)
	if d.Bad > d.At {
		where = fmt.Sprintf("offset %d, in the group at %d", d.Bad, d.At)
	}
	return fmt.Sprintf("%s: %s at %s: %v; %s", d.Segment, kind, where, d.Why, lost)
}

// MarshalJSON gives the reason as text.
func (d Damage) MarshalJSON() ([]byte, error) {
	type plain Damage
	return json.Marshal(struct {
		plain
		Why string
	}{plain(d), d.Why.Error()})
}

// What a damage can be, besides the reasons of a scanner.
var (
	ErrGap     = errors.New("groups missing")
	errChain   = errors.New("group does not follow the one before it")
	errChanged = errors.New("changed while it was read: try again")
)

// part is a segment as it lies in the folder.
type part struct {
	name  string
	first uint64 // by its name
	size  int64
	header
	bad error // why the header cannot be used
}

// standing is how far the log holds.
type standing struct {
	segment int    // index of the part that the last group is in
	at      int64  // end of that group
	last    uint64 // its last sequence, 0 before the first group
	next    uint64 // sequence expected, 0 behind a segment whose head is bad
	prev    uint32 // crc of that group
	written int64  // when it was, ns
	sealed  bool   // it is a seal

	loose bool // it is no link: what comes cannot be chained to it

	segments, groups, records, letters, seals uint64

	lost  uint64 // sequences that repair took out
	bytes int64  // of groups
}

// survey reads a log from the first of its parts given to the end and finds
// every damage.
type survey struct {
	disk    disk
	parts   []part
	trust   bool // flaw: see scanner
	visit   func(part int, g *span) error
	damages []Damage
	marks   map[uint64]marks // index of each part, by its first sequence, if asked for (see mark)
	standing
	durable uint64 // the most that any trailer vouches for
	opened  uint64 // what the first group read says was durable before it
	end     int64  // where the last traces behind the standing end, 0 without any
}

// listParts reads the heads of all segments in the folder, in order.
func listParts(d disk) (parts []part, err error) {
	names, err := d.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		first, ok := segmentFirst(name)
		if !ok {
			continue
		}
		p, err := readPart(d, name)
		if isMissing(err) {
			continue // retention has just taken it
		}
		if err != nil {
			return nil, err
		}
		p.first = first
		parts = append(parts, p)
	}
	return parts, nil
}

// readPart reads one head. A newer version is an error, a bad head is noted.
func readPart(d disk, name string) (p part, err error) {
	p.name = name
	f, err := d.OpenRead(name)
	if err != nil {
		return p, err
	}
	defer f.Close()
	if p.size, err = f.Size(); err != nil {
		return p, err
	}
	b := make([]byte, min(headerUsed, p.size))
	if _, err := f.ReadAt(b, 0); err != nil && len(b) == headerUsed {
		return p, fmt.Errorf("%s: reading its header: %w", name, err)
	}
	p.header, p.bad = decodeHeader(b)
	first, _ := segmentFirst(name)
	var newer *VersionError
	if errors.As(p.bad, &newer) {
		newer.Path = name
		return p, newer
	}
	if p.bad == nil && p.header.first != first {
		p.bad = fmt.Errorf("header is that of the segment from sequence %d", p.header.first)
	}
	return p, nil
}

// run surveys the parts from index from on.
func (v *survey) run(from int) error {
	v.segment, v.at, v.loose = from, headerSize, true
	if from < len(v.parts) {
		v.next = v.parts[from].first
	}
	for i := from; i < len(v.parts); i++ {
		if err := v.part(i); err != nil {
			return fmt.Errorf("%s: %w", v.parts[i].name, err)
		}
	}
	if err := v.tail(from); err != nil {
		return err
	}
	for i := range v.damages {
		d := &v.damages[i]
		d.Torn = !d.sure && v.durable < d.First
	}
	return nil
}

// part takes in one segment.
func (v *survey) part(i int) error {
	p := &v.parts[i]
	if p.bad == nil && i > 0 && v.parts[i-1].bad == nil && p.log != v.parts[i-1].log {
		p.bad = errors.New("segment of another log")
	}
	if p.bad == nil && p.first < v.next {
		p.bad = fmt.Errorf("begins at sequence %d, which the segment before it holds", p.first)
	}
	if p.bad != nil {
		v.damages = append(v.damages, Damage{Segment: p.name, First: max(v.next, p.first), Why: p.bad, index: i, before: v.standing, sure: true, head: true})
		v.segment, v.at, v.next, v.loose = i, p.size, 0, true
		return nil
	}
	v.segments++
	return v.read(i, headerSize)
}

// read takes in the groups of part i from an offset on.
func (v *survey) read(i int, at int64) error {
	p := &v.parts[i]
	return v.scan(p, func(s *scanner) (err error) {
		s.trust = v.trust
		for found := true; found && err == nil; {
			at, found, err = v.group(i, s, at)
		}
		if now, bad := readPart(v.disk, p.name); isMissing(bad) || bad == nil && now.salt != p.salt {
			v.gone()
		}
		return err
	})
}

// scan calls look with a scanner of a part, unless retention has taken the part.
func (v *survey) scan(p *part, look func(*scanner) error) error {
	f, err := v.disk.OpenRead(p.name)
	if isMissing(err) {
		v.gone()
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := newScanner(f, p.salt)
	if err != nil {
		return err
	}
	return look(s)
}

// gone starts the chain anew: retention took a segment while it was being read.
func (v *survey) gone() { v.next, v.loose, v.damages = 0, true, nil }

// group takes in the group at an offset, or the next whole one if that is
// damaged, and returns where to go on.
func (v *survey) group(i int, s *scanner, at int64) (end int64, found bool, err error) {
	p := &v.parts[i]
	expected := max(v.next, p.first)
	g, why, err := v.expect(s, at, expected)
	if err != nil {
		return 0, false, err
	}
	if why != nil {
		if _, found, err = s.search(at+align, expected+1); err != nil || !found {
			return 0, false, err
		}
		if g, why, found, err = v.again(s, at, expected); err != nil || !found {
			return 0, false, err
		}
	}
	if v.next != 0 && v.next < expected { // the segment before may have been written on, too
		if err := v.read(v.segment, v.at); err != nil {
			return 0, false, err
		}
	}
	if v.next != 0 && v.next < expected {
		last := v.parts[v.segment].name
		v.damage(Damage{index: v.segment, Segment: last, At: v.at, Next: p.name, NextAt: headerSize, First: v.next, Last: p.first - 1, Why: ErrGap})
	}
	if why != nil {
		bad, err := s.firstBad(at, expected)
		if err != nil {
			return 0, false, err
		}
		v.damage(Damage{index: i, Segment: p.name, At: at, Bad: bad, Next: p.name, NextAt: g.at, First: expected, Last: g.first - 1, Why: why})
	}
	return g.end, true, v.accept(i, &g)
}

// again looks a second time, now that something whole was seen further on: a
// live log's group may have been completed meanwhile. If it is still bad, g is
// the group further on, if that is still there.
func (v *survey) again(s *scanner, at int64, first uint64) (g span, why error, found bool, err error) {
	if err := s.refresh(); err != nil {
		return g, nil, false, err
	}
	g, why, err = v.expect(s, at, first)
	if why == nil || err != nil {
		return g, why, err == nil, err
	}
	g, found, err = s.search(at+align, first+1)
	return g, why, found, err
}

// expect reads the group at an offset and holds it against the one before.
func (v *survey) expect(s *scanner, at int64, first uint64) (g span, why, err error) {
	g, why, err = s.group(at)
	if why == nil && err == nil {
		why = v.follows(&g, first)
	}
	return g, why, err
}

// follows says why a whole group is not the one that comes next, or nil.
func (v *survey) follows(g *span, expected uint64) error {
	switch {
	case g.first != expected:
		return ErrGap
	case v.next == expected && !v.loose && g.prev != v.prev:
		return errChain
	}
	return nil
}

func (v *survey) damage(d Damage) {
	d.before = v.standing
	v.damages = append(v.damages, d)
	v.loose = true
}

// accept moves the standing behind g.
func (v *survey) accept(i int, g *span) error {
	if v.groups == 0 {
		v.opened = g.durable
	}
	if v.visit != nil {
		if err := v.visit(i, g); err != nil {
			return err
		}
	}
	v.durable = max(v.durable, g.durable)
	v.written = max(v.written, g.trailer.written)
	if n := len(v.damages); v.next == 0 && n > 0 {
		v.damages[n-1].Last, v.damages[n-1].Next, v.damages[n-1].NextAt = g.first-1, v.parts[i].name, g.at
	}
	v.segment, v.at, v.last, v.next, v.prev = i, g.end, g.last, g.last+1, g.crc
	v.sealed = g.kind == event.TypeSeal
	v.loose = g.kind == quarantined
	v.groups++
	v.bytes += g.end - g.at
	switch g.kind {
	case quarantined:
		v.lost += g.last - g.first + 1
	case event.TypeSeal:
		v.seals++
	case event.TypeDeadLetter:
		v.letters += g.records
	default:
		v.records += g.records
	}
	return nil
}

// tail decides where the log ends, and whether something torn lies behind it.
func (v *survey) tail(from int) error {
	if len(v.parts) == from || v.parts[v.segment].bad != nil || v.next == 0 {
		return nil
	}
	if after := v.segment + 1; after < len(v.parts) && v.parts[after].bad == nil && v.parts[after].first == v.next {
		v.segment, v.at = after, headerSize // made ready, nothing in it yet
	}
	return v.scan(&v.parts[v.segment], v.torn)
}

// torn notes what lies behind the log's end, if anything does.
func (v *survey) torn(s *scanner) (err error) {
	v.end, err = s.remains(v.at, v.next)
	if err != nil || v.end == 0 {
		return err
	}
	_, why, err := s.group(v.at)
	if err != nil {
		return err
	}
	bad, err := s.firstBad(v.at, v.next)
	v.damage(Damage{index: v.segment, Segment: v.parts[v.segment].name, At: v.at, Bad: bad, First: v.next, Why: why})
	return err
}

// mark is a visit that collects the indexes.
func (v *survey) mark(i int, g *span) error {
	if v.marks == nil {
		v.marks = map[uint64]marks{}
	}
	p := &v.parts[i]
	m := v.marks[p.first]
	m.add(g.first, g.at, g.trailer.written)
	v.marks[p.first] = m
	return nil
}
