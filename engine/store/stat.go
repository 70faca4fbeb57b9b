package store

import (
	"errors"
	"strings"
	"time"
)

// Stat is what a log's folder holds, at a glance: only the last segment is read.
type Stat struct {
	Segments    []SegmentStat
	First, Last uint64 // sequences kept; Last is before First in an empty log
	Bytes       int64  // of all segments
	Sealed      bool   // closed cleanly
	Live        bool   // being written
	Torn        []string
	Quarantined []string
}

// SegmentStat is one segment.
type SegmentStat struct {
	Name        string
	First, Last uint64 // sequences; Last is before First in an empty one
	Bytes, Used int64  // of the file, and of that what is written; Used is 0 where that was not looked at
	Created     time.Time
	Problem     string // why its head cannot be used, "" if it can
}

// statTries bounds how often a log is looked at that is written, and its
// segments taken away, faster than that.
const statTries = 20

// ReadStat looks at the log in dir. It takes no lock and changes nothing.
func ReadStat(dir string) (s Stat, err error) {
	d, err := openFolder(dir, false)
	if err != nil {
		return s, err
	}
	for range statTries {
		if s, err = stat(d); !errors.Is(err, errChanged) {
			break
		}
	}
	return s, err
}

func stat(d disk) (s Stat, err error) {
	if s.Live, err = d.Locked(); err != nil {
		return s, err
	}
	parts, err := listParts(d)
	if err != nil {
		return s, err
	}
	if len(parts) == 0 {
		return s, ErrNoLog
	}
	for i := range parts {
		p := &parts[i]
		g := SegmentStat{Name: p.name, First: p.first, Bytes: p.size, Created: time.Unix(0, p.created)}
		if p.bad != nil {
			g.Problem = p.bad.Error()
		}
		s.Segments = append(s.Segments, g)
		s.Bytes += p.size
		if i > 0 {
			s.Segments[i-1].Last = p.first - 1
		}
	}
	from := max(len(parts)-2, 0) // the last may be made ready, and empty
	v := survey{disk: d, parts: parts}
	if err := v.run(from); err != nil {
		return s, err
	}
	if v.next == 0 && parts[v.segment].bad == nil {
		return s, errChanged // faster than we read
	}
	last := &s.Segments[v.segment]
	last.Last, last.Used = max(v.next, 1)-1, v.at
	s.First, s.Last, s.Sealed = parts[0].first, last.Last, v.sealed
	for i := v.segment + 1; i < len(parts); i++ {
		s.Segments[i].Last = s.Segments[i].First - 1
	}
	return s, s.leftovers(d)
}

// leftovers notes what recovery and repair have put beside the log.
func (s *Stat) leftovers(d disk) error {
	names, err := d.List()
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, tornSuffix):
			s.Torn = append(s.Torn, name)
		case strings.HasSuffix(name, quarantineSuffix):
			s.Quarantined = append(s.Quarantined, name)
		}
	}
	return err
}
