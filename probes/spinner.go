package probes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"eventstreamcore/engine/cpu"
)

// rawGap is a gap as the spinning loop notes it.
type rawGap struct {
	from, to               cpu.Ticks
	voluntary, involuntary int64 // switches within
}

// spinner looks at the clock without pause and notes when it could not.
type spinner struct {
	thread       int
	began, ended cpu.Ticks
	gaps         []rawGap // of fixed capacity: the loop allocates nothing
	count        int
	lost         cpu.Ticks
	aside        cpu.Ticks // spent on asking about gaps, no part of the measured time
	ghzBefore    float64
	ghzAfter     float64
	use          usage // over the whole run
}

// usage is what the kernel says of one thread; nil is not said.
type usage struct {
	voluntary, involuntary, faults int64
	migrations, waitedNs           *int64
}

// run spins for the duration on the thread that it is called on.
func (s *spinner) run(clock cpu.Clock, duration time.Duration) {
	s.thread = cpu.ThreadID()
	s.ghzBefore = effectiveGHz(clock)
	s.touch()
	start := readUsage()
	start.voluntary, start.involuntary, start.faults = cpu.Switches() // after the files, whose reading faults
	s.spin(clock.Ticks(gapNs), clock.Ticks(int64(duration)))
	voluntary, involuntary, faults := cpu.Switches()
	end := readUsage()
	end.voluntary, end.involuntary, end.faults = voluntary, involuntary, faults
	s.use = end.since(start)
	s.ghzAfter = effectiveGHz(clock)
}

// touch brings in the pages that gaps are noted on, so that noting one does not
// make another.
func (s *spinner) touch() { clear(s.gaps[:cap(s.gaps)]) }

func (s *spinner) spin(threshold, duration cpu.Ticks) {
	voluntary, involuntary, _ := cpu.Switches()
	s.began = cpu.Now()
	last, end := s.began, s.began+duration
	for last < end {
		now := cpu.Now()
		if now-last < threshold {
			last = now
			continue
		}
		s.count++
		s.lost += now - last
		v, i, _ := cpu.Switches()
		if len(s.gaps) < cap(s.gaps) {
			s.gaps = append(s.gaps, rawGap{last, now, v - voluntary, i - involuntary})
		}
		voluntary, involuntary = v, i
		last = cpu.Now()
		s.aside += last - now
		end += last - now
	}
	s.ended = last
}

// since is the use of a thread between two readings.
func (u usage) since(before usage) usage {
	d := usage{voluntary: u.voluntary - before.voluntary, involuntary: u.involuntary - before.involuntary, faults: u.faults - before.faults}
	minus := func(a, b *int64) *int64 {
		if a == nil || b == nil {
			return nil
		}
		v := *a - *b
		return &v
	}
	d.migrations, d.waitedNs = minus(u.migrations, before.migrations), minus(u.waitedNs, before.waitedNs)
	return d
}

// summary is the part that needs no attribution.
func (s *spinner) summary(clock cpu.Clock, c int) Jitter {
	j := Jitter{CPU: c, DurationNs: clock.Ns(s.ended - s.began - s.aside), Gaps: s.count, LostNs: clock.Ns(s.lost),
		Voluntary: s.use.voluntary, Involuntary: s.use.involuntary, Faults: s.use.faults, Migrations: s.use.migrations, WaitedNs: s.use.waitedNs,
		GHzBefore: s.ghzBefore, GHzAfter: s.ghzAfter, Histogram: make([]Bucket, len(bucketBounds))}
	j.LostShare = float64(j.LostNs) / float64(max(j.DurationNs, 1))
	for i, bound := range bucketBounds {
		j.Histogram[i].UnderNs = bound
	}
	for _, g := range s.gaps {
		ns := clock.Ns(g.to - g.from)
		i, _ := slices.BinarySearch(bucketBounds, ns)
		j.Histogram[min(i, len(bucketBounds)-1)].Gaps++
		j.WorstNs = max(j.WorstNs, ns)
		j.gaps = append(j.gaps, Gap{AtNs: clock.Ns(g.from - s.began), Ns: ns})
	}
	return j
}

// attribute gives every gap a cause and sums them up.
func (j *Jitter) attribute(clock cpu.Clock, s spinner, continued []cpu.Ticks, guest bool) {
	causes := map[string]*Cause{}
	interrupts := int64(0)
	for _, n := range j.Interrupts {
		interrupts += n
	}
	spans := make([]Span, len(s.gaps))
	for i, g := range s.gaps {
		spans[i] = Span{g.from, g.to}
	}
	stopped := Stops(spans, continued, clock)
	for i, g := range s.gaps {
		name := causeOf(g, guest, interrupts > 0)
		if stopped[i] {
			name = CauseStopped
		}
		j.gaps[i].Cause = name
		if causes[name] == nil {
			causes[name] = &Cause{Name: name, Evidence: j.evidence(name)}
		}
		causes[name].Gaps++
		causes[name].LostNs += j.gaps[i].Ns
	}
	j.Causes = []Cause{}
	for _, name := range slices.Sorted(maps.Keys(causes)) {
		j.Causes = append(j.Causes, *causes[name])
	}
	slices.SortStableFunc(j.Causes, func(a, b Cause) int { return cmp.Compare(b.LostNs, a.LostNs) })
	slices.SortStableFunc(j.gaps, func(a, b Gap) int { return cmp.Compare(b.Ns, a.Ns) })
	j.Worst = append([]Gap{}, j.gaps[:min(worstKept, len(j.gaps))]...)
}

// continueNs is how soon after a process is continued its handler runs, at most.
const continueNs = 100_000_000

// Span is when a loop was away.
type Span struct{ From, To cpu.Ticks }

// Stops finds the gaps in which the process was stopped: for each time that it
// was continued, the longest gap that began before and ended about then.
func Stops(gaps []Span, continued []cpu.Ticks, clock cpu.Clock) map[int]bool {
	return stops(gaps, continued, clock.Ticks(continueNs))
}

func stops(gaps []Span, continued []cpu.Ticks, within cpu.Ticks) map[int]bool {
	found := map[int]bool{}
	for _, at := range continued {
		longest := -1
		for i, g := range gaps {
			about := g.From <= at && int64(at-g.To) < int64(within)
			if about && (longest < 0 || g.To-g.From > gaps[longest].To-gaps[longest].From) {
				longest = i
			}
		}
		if longest >= 0 {
			found[longest] = true
		}
	}
	return found
}

func causeOf(g rawGap, guest, interrupts bool) string {
	switch {
	case g.involuntary > 0:
		return CauseTask
	case g.voluntary > 0:
		return CauseRuntime
	case guest:
		return CauseHost
	case interrupts:
		return CauseInterrupt
	}
	return CauseUnexplained
}

// evidence says what was counted that speaks for a cause.
func (j *Jitter) evidence(cause string) string {
	switch cause {
	case CauseStopped:
		return "SIGCONT arrived as the gap ended"
	case CauseRuntime:
		return fmt.Sprintf("%d voluntary switches of a thread that never asks for one: the runtime pre-empts after 10 ms, and stops the world", j.Voluntary)
	case CauseTask:
		return fmt.Sprintf("%d involuntary switches; ran on this CPU: %s", j.Involuntary, describeNeighbours(j.Neighbours))
	case CauseInterrupt, CauseHost:
		text := "interrupts: " + describeCounts(j.Interrupts)
		if j.StealNs != nil {
			text += fmt.Sprintf("; steal %d ms", *j.StealNs/1_000_000)
		}
		return text
	}
	return "no switch of tasks, no interrupt"
}

func describeNeighbours(list []Neighbour) string {
	if len(list) == 0 {
		return "nobody who is still there"
	}
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = fmt.Sprintf("%s (process %d, %d us)", n.Name, n.Process, n.RanNs/1000)
	}
	return strings.Join(texts, ", ")
}

// describeCounts names the five largest.
func describeCounts(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	texts := []string{}
	for _, n := range names[:min(5, len(names))] {
		texts = append(texts, fmt.Sprintf("%s %d", n, counts[n]))
	}
	if len(texts) == 0 {
		return "none counted"
	}
	return strings.Join(texts, ", ")
}
