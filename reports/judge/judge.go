// Package judge holds figures against targets and says what may be concluded.
//
// It takes the position that the burden of proof lies with the engine: a target
// passes only when the whole 95 % interval of the median of the trials lies
// within its bound, a host that disturbs its figures earns no FAIL and a host
// whose figures mean nothing earns no PASS, and a figure that cannot be resolved
// is not measured rather than zero. It judges raw statistics; what undisturbed
// events did is shown elsewhere and never judged. Everything here is a pure
// function of the numbers: nothing is measured, read or printed.
package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"eventstreamcore/reports/record"
)

// Confidence is the level of every interval here.
const Confidence = 0.95

// TrialsMin is the fewest trials whose median has an interval at Confidence: of
// six, the least and the greatest enclose it with probability 1 - 2/2^6 = 0.969;
// of five, with 0.938.
const TrialsMin = 6

// Row holds the valid trials of row that are in t's unit against t. A row that
// was skipped, oversubscribed or never measured in that unit is NOT MEASURED,
// with why.
func Row(t Target, row record.Row, host record.Fitness) record.Judgement {
	switch {
	case row.Skipped != "":
		return Unmeasured(t, row.Skipped)
	case row.Oversubscribed != "":
		return Unmeasured(t, "oversubscribed, shown but not judged: "+row.Oversubscribed)
	case len(row.Valid()) == 0:
		return Unmeasured(t, noValid(row))
	}
	values := row.Values(t.Unit)
	if counted := len(row.Counted()); counted > len(values) {
		return Unmeasured(t, fmt.Sprintf("%d of %d trials have no %s%s", counted-len(values), counted, t.Unit, tooFewEvents(t.Unit)))
	}
	return Judge(t, values, row.Floor, host)
}

// Judge holds values, one a trial, against t by the rule of verdicts: PASS when
// the interval's worse end is within the bound, else FAIL on a FIT host and
// INCONCLUSIVE, with the reasons, on any other. On an UNFIT host, or with fewer
// than TrialsMin values, nothing is concluded either way. A value that is zero,
// negative or not finite could not be resolved: the target is NOT MEASURED, for
// leaving such values out would bias the rest.
func Judge(t Target, values []float64, floor *record.Floor, host record.Fitness) record.Judgement {
	if len(values) == 0 {
		return Unmeasured(t, "no valid trial")
	}
	if n := unresolved(values); n > 0 {
		return Unmeasured(t, fmt.Sprintf("%d of %d trials gave a figure that cannot be resolved (zero, negative or not finite)", n, len(values)))
	}
	j := t.judgement()
	s := Summarise(values)
	j.Center, j.N = s.Center, len(values)
	if s.Bounded {
		j.Low, j.High = s.Low, s.High
	}
	j.Floor, j.XFloor = floor, OverFloor(t.Unit, s.Center, floor)
	j.Verdict, j.Reasons = verdict(t, s, host)
	return j
}

// Unmeasured is the judgement of a target that no figure could be held against.
func Unmeasured(t Target, why string) record.Judgement {
	j := t.judgement()
	j.Verdict, j.Reasons = record.NotMeasured, []string{why}
	return j
}

func verdict(t Target, s Summary, host record.Fitness) (string, []string) {
	if !s.Bounded {
		return record.Inconclusive, []string{fmt.Sprintf(
			"%d trials give no 95 %% interval of the median: %d are needed (--count %d)", s.N, TrialsMin, TrialsMin)}
	}
	within := t.Within(s.Low, s.High)
	switch {
	case within && host.Verdict == record.Unfit:
		return record.Inconclusive, []string{"within the bound, but " + hostReason(host)}
	case within:
		return record.Pass, nil
	case host.Verdict != record.Fit:
		return record.Inconclusive, append(missed(t, s), hostReason(host))
	}
	return record.Fail, missed(t, s)
}

// missed says how a bound was missed: by the median, or only by its interval.
func missed(t Target, s Summary) []string {
	if t.Within(s.Center, s.Center) {
		return []string{"the median is within the bound but its interval is not: more trials may settle it (--count)"}
	}
	return nil
}

// hostReason names the checks that make host what it is.
func hostReason(host record.Fitness) string {
	var names []string
	for _, c := range host.Checks {
		if c.Verdict == record.Warn || c.Verdict == record.Bad {
			names = append(names, c.Name)
		}
	}
	if host.Verdict == "" {
		return "the host's fitness is unknown"
	}
	if len(names) == 0 {
		return "the host is " + host.Verdict
	}
	return "the host is " + host.Verdict + ": " + strings.Join(names, ", ")
}

func noValid(row record.Row) string {
	if len(row.Trials) == 0 {
		return "no trial was run"
	}
	return fmt.Sprintf("all %d trials are invalid: %s", len(row.Trials), row.Trials[0].Invalid)
}

func unresolved(values []float64) (n int) {
	for _, v := range values {
		if !(v > 0) || math.IsInf(v, 0) {
			n++
		}
	}
	return n
}

// OverFloor is how many times its floor a figure is: x-floor. A rate stands over it by
// the time each event took; a unit that is neither has no such ratio: 0.
func OverFloor(unit string, center float64, floor *record.Floor) float64 {
	if floor == nil || !(floor.Ns > 0) {
		return 0
	}
	switch {
	case IsNs(unit):
		return center / floor.Ns
	case IsRate(unit):
		return 1e9 / center / floor.Ns
	}
	return 0
}

// Summary is the median of some trials and its interval.
type Summary struct {
	Center    float64
	Low, High float64 // meaningless unless Bounded
	N         int
	Bounded   bool // false with fewer than TrialsMin values
}

// Summarise is the median of values, one a trial, with its distribution-free 95 %
// interval: order statistics by golang.org/x/perf/benchmath, which is what
// benchstat prints. With fewer than TrialsMin values there is no such interval.
func Summarise(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	s := benchmath.AssumeNothing.Summary(sample, Confidence)
	return Summary{
		Center: s.Center, Low: s.Lo, High: s.Hi, N: len(values),
		Bounded: !math.IsInf(s.Lo, 0) && !math.IsInf(s.Hi, 0),
	}
}
