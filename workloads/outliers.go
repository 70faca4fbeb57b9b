package workloads

import (
	"cmp"
	"fmt"
	"slices"

	"eventstreamcore/reports/record"
)

// outlierTimes is how many times its trial's median an event must take to be an
// outlier: far beyond what the path itself varies by.
const outlierTimes = 10

// outliersKept of a row, the longest; all are counted by cause.
const outliersKept = 32

// life is what an event's outlier is explained by: when it was due and stored,
// and whether the one before was still under way when it was due.
type life struct {
	due, stored int64
	behind      bool
}

// outliers finds the events that took outlierTimes the median, joins those in
// turn that share a cause, and names it.
func (c *course) outliers() (list []record.Outlier) {
	if len(c.ways) == 0 {
		return nil
	}
	bound := outlierTimes * max(c.median(), 1)
	last := -2
	for i, w := range c.ways {
		if w.whole() < bound {
			continue
		}
		due := c.due[i]
		l := life{due: due, stored: due + w.whole(), behind: last == i-1 && c.due[i-1]+c.ways[i-1].whole() > due}
		cause, evidence := c.explain(l)
		if n := len(list); last == i-1 && (cause == list[n-1].Cause || cause == record.Unexplained && l.behind) {
			o := &list[n-1]
			o.Events, o.Ns = o.Events+1, max(o.Ns, w.whole())
		} else {
			list = append(list, record.Outlier{At: due, Events: 1, Ns: w.whole(), Cause: cause, Evidence: evidence})
		}
		last = i
	}
	return list
}

// median is that of the whole way.
func (c *course) median() int64 {
	all := make([]int64, len(c.ways))
	for i, w := range c.ways {
		all[i] = w.whole()
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// explain names what a life overlaps most: a loop that was away before one that
// was long over its work. One that merely waits behind another has that one's
// cause, which its caller knows.
func (c *course) explain(l life) (cause, evidence string) {
	var most absence
	covered := int64(0)
	for i := c.firstAfter(l.due); i < len(c.absences) && c.absences[i].from < l.stored; i++ {
		a := c.absences[i]
		overlap := min(a.to, l.stored) - max(a.from, l.due)
		if overlap > 0 && (a.sure && !most.sure || a.sure == most.sure && overlap > covered) {
			most, covered = a, overlap
		}
	}
	if covered == 0 {
		return record.Unexplained, ""
	}
	return most.role + ": " + most.cause, fmt.Sprintf("the loop's own gap of %d ns, %d of them within", most.to-most.from, covered)
}

// firstAfter is the first absence that may reach beyond a moment: absences are
// in order of their beginnings, and none is longer than the longest.
func (c *course) firstAfter(moment int64) int {
	i, _ := slices.BinarySearchFunc(c.absences, moment-c.longest, func(a absence, t int64) int { return cmp.Compare(a.from, t) })
	return i
}

// blames counts outliers by cause, what cost most events first.
func blames(list []record.Outlier) (all []record.Blame) {
	at := map[string]int{}
	for _, o := range list {
		i, known := at[o.Cause]
		if !known {
			i = len(all)
			at[o.Cause], all = i, append(all, record.Blame{Cause: o.Cause})
		}
		all[i].Outliers++
		all[i].Events += o.Events
		all[i].Longest = max(all[i].Longest, o.Ns)
	}
	slices.SortStableFunc(all, func(a, b record.Blame) int { return cmp.Compare(b.Events, a.Events) })
	return all
}

// outliersOf gives row the outliers of its spans, the longest, and all by cause.
func outliersOf(row *record.Row, spans []Span) {
	var all []record.Outlier
	for i, s := range spans {
		for _, o := range s.Outliers {
			o.Trial = i + 1
			all = append(all, o)
		}
	}
	row.Outliers, row.Blames = longestOutliers(all), blames(all)
}

// longestOutliers are those that a row keeps.
func longestOutliers(list []record.Outlier) []record.Outlier {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b record.Outlier) int { return cmp.Compare(b.Ns, a.Ns) })
	return list[:min(len(list), outliersKept)]
}
