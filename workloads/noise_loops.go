package workloads

import (
	"cmp"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// gapsKept is how many gaps a loop keeps of one trial, 40 B each: a hundred
// times what a guest loses in one.
const gapsKept = 1 << 14

// stripGaps is how many gaps a row keeps of each loop, the longest.
const stripGaps = 64

// loopWatch is a pinned loop that notes its own gaps.
type loopWatch struct {
	role string
	on   int // CPU
	gaps *metrics.Gaps
}

// mark is a moment in what a loop noted.
type mark struct {
	noted uint64
	at    cpu.Ticks
}

func (w loopWatch) mark() mark { return mark{w.gaps.Noted(), cpu.Now()} }

// marks is the moment now of all loops.
func marks(loops []loopWatch) (list []mark) {
	for _, w := range loops {
		list = append(list, w.mark())
	}
	return list
}

// absence is a stretch of a trial in which a loop did not turn, on the line of
// time of a course.
type absence struct {
	from, to int64 // ns after the first event was due
	role     string
	cause    string
	sure     bool // the loop was away; else its round was long with work in hand
}

// causeLong is the cause of a round that was long with work in hand and without
// a switch: its own doing, a system call's, an interrupt's or the host's.
const causeLong = "a long round with work in hand"

// absences are the gaps of all loops since the marks, by their beginnings, on
// the line that at maps ticks to.
func absences(loops []loopWatch, since []mark, at func(cpu.Ticks) int64, by suspects) (list []absence) {
	for i, w := range loops {
		gaps, _ := w.gaps.Since(since[i].noted)
		causes := by.causes(gaps)
		for j, g := range gaps {
			list = append(list, absence{from: at(g.From), to: at(g.To), role: w.role, sure: g.Away(), cause: causes[j]})
		}
	}
	slices.SortFunc(list, func(a, b absence) int { return cmp.Compare(a.from, b.from) })
	return list
}

// suspects are what the cause of a gap is told by, beside its own counts.
type suspects struct {
	clock     cpu.Clock
	guest     bool
	continued func() []cpu.Ticks // when the process went on after SIGSTOP; nil where nobody watches
}

// causes are those of a loop's gaps, one for each.
func (s suspects) causes(gaps []metrics.Gap) []string {
	spans, causes := make([]probes.Span, len(gaps)), make([]string, len(gaps))
	for i, g := range gaps {
		spans[i] = probes.Span{From: g.From, To: g.To}
		if causes[i] = causeLong; g.Away() {
			causes[i] = probes.CauseOf(int64(g.Voluntary), int64(g.Forced), s.guest)
		}
	}
	if s.continued != nil {
		for i := range probes.Stops(spans, s.continued(), s.clock) {
			causes[i] = probes.CauseStopped
		}
	}
	return causes
}

// lengthenStrip adds what a loop lost since the mark to the end of its strip.
func (w loopWatch) lengthenStrip(s *record.Strip, since mark, by suspects) {
	gaps, lost := w.gaps.Since(since.noted)
	s.Name, s.CPU, s.Count = w.role, w.on, s.Count+int64(lost)
	causes := by.causes(gaps)
	for i, g := range gaps {
		if !g.Away() {
			continue
		}
		ns := by.clock.Ns(g.To - g.From)
		s.Count, s.Lost = s.Count+1, s.Lost+ns
		s.Gaps = append(s.Gaps, record.Gap{At: s.Ns + by.clock.Ns(max(g.From, since.at)-since.at), Ns: ns, Cause: causes[i]})
	}
	s.Ns += by.clock.Ns(cpu.Now() - since.at)
	slices.SortFunc(s.Gaps, func(a, b record.Gap) int { return cmp.Compare(b.Ns, a.Ns) })
	s.Gaps = s.Gaps[:min(len(s.Gaps), stripGaps)]
	slices.SortFunc(s.Gaps, func(a, b record.Gap) int { return cmp.Compare(a.At, b.At) })
}

// shadow is the union of the absences that are sure: disjoint, ascending.
func shadow(list []absence) (union [][2]int64) {
	for _, a := range list {
		if !a.sure {
			continue
		}
		if n := len(union); n > 0 && a.from <= union[n-1][1] {
			union[n-1][1] = max(union[n-1][1], a.to)
			continue
		}
		union = append(union, [2]int64{a.from, a.to})
	}
	return union
}

// touches reports whether what went on from one moment to another overlaps the
// shadow.
func touches(union [][2]int64, from, to int64) bool {
	i, _ := slices.BinarySearchFunc(union, from+1, func(u [2]int64, t int64) int { return cmp.Compare(u[1], t) }) // the first that ends later
	return i < len(union) && union[i][0] < to
}

// witness tells the course what its loops lost meanwhile. An event whose life
// overlaps a gap, from when it was due until it was stored, is disturbed.
func (c *course) witness(list []absence) {
	c.absences, c.longest, c.witnessed = list, 0, true
	for _, a := range list {
		c.longest = max(c.longest, a.to-a.from)
	}
	union := shadow(list)
	for i, w := range c.ways {
		c.disturbed = append(c.disturbed, touches(union, c.due[i], c.due[i]+w.whole()))
	}
}

// undisturbed is the distribution of a part of the way over the events that met
// no gap; nil where nobody watched for gaps.
func (c *course) undisturbed(part func(way) int64) *hdrhistogram.Histogram {
	if !c.witnessed {
		return nil
	}
	h := newHistogram()
	for i, w := range c.ways {
		if !c.disturbed[i] {
			recordLatency(h, part(w))
		}
	}
	return h
}
