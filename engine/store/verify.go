package store

import "errors"

// Report is what Verify found.
type Report struct {
	Segments    uint64
	Groups      uint64
	Records     uint64 // events
	DeadLetters uint64
	Seals       uint64 // how often the log was closed cleanly
	Lost        uint64 // sequences that repair had taken out
	Bytes       int64  // of groups
	First, Last uint64 // sequences, 0 in an empty log
	Durable     uint64 // the last sequence that a trailer vouches for
	Sealed      bool   // the log ends with a seal
	Live        bool   // it is being written: a torn end is a group on its way
	Damages     []Damage
}

// Corrupt is the first damage that no crash explains, or nil.
func (r *Report) Corrupt() *Damage { return firstDamage(r.Damages, false) }

// Torn is where a crash cut the log off, or nil.
func (r *Report) Torn() *Damage { return firstDamage(r.Damages, true) }

// firstDamage is the first damage that a crash explains, or the first that none does.
func firstDamage(damages []Damage, torn bool) *Damage {
	for i := range damages {
		if damages[i].Torn == torn {
			return &damages[i]
		}
	}
	return nil
}

// Verify reads the whole log in dir and checks every checksum, those of the
// records too. It takes no lock and changes nothing. Records behind a torn
// place are not counted: Open will cut them off.
func Verify(dir string) (Report, error) {
	d, err := openFolder(dir, false)
	if err != nil {
		return Report{}, err
	}
	return verify(d)
}

// ErrNoLog says that a folder holds no log.
var ErrNoLog = errors.New("no log here: the folder holds no NNNNNNNNNNNNNNNNNNNN.seg")

func verify(d disk) (r Report, err error) {
	if r.Live, err = d.Locked(); err != nil {
		return r, err
	}
	parts, err := listParts(d)
	if err != nil {
		return r, err
	}
	if len(parts) == 0 {
		return r, ErrNoLog
	}
	v := survey{disk: d, parts: parts}
	v.visit = func(i int, g *span) error {
		if r.First == 0 {
			r.First = g.first
		}
		return v.contents(i, g)
	}
	if err := v.run(0); err != nil {
		return r, err
	}
	r.Damages, r.Durable = v.damages, v.durable
	end := v.standing
	if t := r.Torn(); t != nil {
		end = t.before
	}
	r.Segments, r.Groups, r.Records, r.DeadLetters, r.Seals = end.segments, end.groups, end.records, end.letters, end.seals
	r.Lost, r.Bytes, r.Last, r.Sealed = end.lost, end.bytes, end.last, end.sealed && r.Torn() == nil
	return r, nil
}

// contents is a visit that checks the records of a group, whose own checksum
// already holds: one that does not was damaged in memory, before it was written.
func (v *survey) contents(i int, g *span) error {
	if g.kind == quarantined {
		return nil
	}
	records := g.bytes[:len(g.bytes)-trailerSize]
	if n := soundBytes(records, g.first); n < len(records) {
		name := v.parts[i].name
		v.damage(Damage{index: i, Segment: name, At: g.at, Bad: g.at + int64(n), Next: name, NextAt: g.end, First: g.first, Last: g.last, Why: errContent, sure: true})
	}
	return nil
}
