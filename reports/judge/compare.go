package judge

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"eventstreamcore/reports/record"
)

// Alpha is the chance of one false alarm or more that a comparison allows
// itself over all of its rows.
const Alpha = 0.05

// Why two sides cannot be compared.
var (
	ErrHardware = errors.New("measured on different hardware")
	ErrNoRows   = errors.New("no row in common")
)

// Compare sets new against old: each row in each unit by the Mann-Whitney test
// that benchstat uses, or where the two took turns pair by pair by Wilcoxon's signed
// ranks, the p-values adjusted by Holm's method for how many there are. Where the hardware differs it refuses with ErrHardware, for
// nanoseconds do not travel; Across compares what does.
func Compare(old, new Side, alpha float64) (record.Comparison, error) {
	if differ := differences(old, new); len(differ) > 0 {
		return record.Comparison{}, fmt.Errorf("%s and %s: %w: %s (multiples of a floor can be compared with --across)",
			old.Name, new.Name, ErrHardware, strings.Join(differ, "; "))
	}
	return compare(old, new, alpha)
}

// Across sets only multiples of floors against each other, whatever the
// hardware: the ratio travels between machines.
func Across(old, new Side, alpha float64) (record.Comparison, error) {
	differ := differences(old, new)
	c, err := compare(old.overFloors(), new.overFloors(), alpha)
	c.Across = differ
	return c, err
}

// compare pairs the rows up, tests them and says what each change means.
func compare(old, new Side, alpha float64) (record.Comparison, error) {
	c := record.Comparison{Schema: record.Schema, Old: old.Name, New: new.Name, Alpha: alpha}
	c.Missing, c.Added = old.rowsBeyond(new), new.rowsBeyond(old)
	for i, s := range old.Samples {
		if s.Unit == XFloor && Interleaved(old, new) {
			continue // on one host in the same minutes it is the same figure again
		}
		if j := new.find(s.Row, s.Unit); j >= 0 {
			c.Changes = append(c.Changes, changed(old.Samples[i], new.Samples[j], Interleaved(old, new)))
		} else if s.Unit != XFloor && !slices.Contains(c.Missing, s.Row) { // a bench.txt has no floors
			c.Missing = append(c.Missing, s.Row+" in "+s.Unit)
		}
	}
	if len(c.Changes) == 0 {
		return c, fmt.Errorf("%s and %s: %w (were they run with the same --run and --set?)", old.Name, new.Name, ErrNoRows)
	}
	if p, q := value(old.Hardware, record.PlanKey), value(new.Hardware, record.PlanKey); p != q {
		c.Warnings = append(c.Warnings, fmt.Sprintf("the plans differ: %s against %s", p, q))
	}
	direct(c.Changes, alpha)
	if !Interleaved(old, new) && (old.Host != record.Fit || new.Host != record.Fit) {
		c.Warnings = append(c.Warnings, "the two sides were measured one after the other, on a host that is not known to be FIT: a change may be the host's (esc bench --against measures two builds in turns)")
	}
	if !Interleaved(old, new) && (disturbed(old) || disturbed(new)) {
		doubt(c.Changes)
	}
	if w := powerless(c.Changes, alpha); w != "" {
		c.Warnings = append(c.Warnings, w)
	}
	return c, nil
}

// direct adjusts the p-values of all changes and says what each change means.
func direct(changes []record.Change, alpha float64) {
	holm(changes)
	for i := range changes {
		changes[i].Direction = directed(changes[i], alpha)
	}
}

// disturbed says that a side was measured on a host known not to be FIT.
func disturbed(s Side) bool { return s.Host == record.Degraded || s.Host == record.Unfit }

// doubt takes back what each change is said to mean. Such a host runs at half its
// speed for minutes; two sides of which one met that differ with any p, and no test
// of theirs can tell.
func doubt(changes []record.Change) {
	for i, c := range changes {
		if c.Direction != record.Same {
			changes[i].Direction = record.Inconclusive
		}
	}
}

// changed tests one row in one unit, by pairs where the sides took turns.
func changed(old, new Sample, inTurns bool) record.Change {
	if c, ok := duet(old, new); ok && inTurns {
		return c
	}
	c := change(old, new)
	c.RatioLow, c.RatioHi = ratioInterval(old, new)
	return c
}

// change tests one row in one unit of two sides that know nothing of each other.
func change(old, new Sample) record.Change {
	a := benchmath.NewSample(slices.Clone(old.Values), &benchmath.DefaultThresholds)
	b := benchmath.NewSample(slices.Clone(new.Values), &benchmath.DefaultThresholds)
	test := benchmath.AssumeNothing.Compare(a, b)
	c := record.Change{Row: old.Row, Unit: old.Unit, Old: center(old.Values), New: center(new.Values), P: test.P}
	c.Ratio = c.New.Value / c.Old.Value
	if n := min(c.Old.N, c.New.N); n < TrialsMin {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d trials a side: %d are needed for an interval", n, TrialsMin))
	}
	return c
}

func center(values []float64) record.Center {
	s := Summarise(values)
	c := record.Center{Value: s.Center, N: s.N}
	if s.Bounded {
		c.Low, c.High = s.Low, s.High
	}
	return c
}

// holm fills PHolm: the k-th smallest of m p-values times m-k+1, never below
// the one before it (Holm, "A simple sequentially rejective multiple test
// procedure", 1979). Rejecting where it is at most alpha keeps the chance of any
// false alarm at alpha, however the tests depend on each other.
func holm(changes []record.Change) {
	order := make([]*record.Change, len(changes))
	for i := range changes {
		order[i] = &changes[i]
	}
	slices.SortStableFunc(order, func(a, b *record.Change) int { return cmp.Compare(a.P, b.P) })
	least := 0.0
	for k, c := range order {
		least = max(least, min(1, c.P*float64(len(order)-k)))
		c.PHolm = least
	}
}

// directed says what a change means. The floor under a multiple has an error of
// its own, which the test knows nothing of: there the interval of the ratio,
// which does, must exclude 1 as well.
func directed(c record.Change, alpha float64) string {
	unsure := c.Unit == XFloor && c.RatioLow <= 1 && c.RatioHi >= 1
	if c.PHolm > alpha || c.Ratio == 1 || unsure {
		return record.Same
	}
	if (c.Ratio > 1) == MoreIsBetter(c.Unit) {
		return record.Better
	}
	return record.Worse
}

// worsening is by how much a change is for the worse, as a share: 0.05 for 5 %
// more time, or for a rate that makes each event take 5 % longer.
func worsening(c record.Change) float64 {
	if MoreIsBetter(c.Unit) {
		return 1/c.Ratio - 1
	}
	return c.Ratio - 1
}

// Apart is by how much the two sides of a change differ, as a share, whichever is
// the larger.
func Apart(c record.Change) float64 { return max(c.Ratio, 1/c.Ratio) - 1 }

// powerless warns when so many rows have so few trials that even trials wholly
// apart could not be told from chance.
func powerless(changes []record.Change, alpha float64) string {
	for _, c := range changes {
		if blind(c, len(changes), alpha) {
			return fmt.Sprintf("%s over %d rows cannot show any difference at %v: use more (--count) or fewer rows (--run)", tooFew(c), len(changes), alpha)
		}
	}
	return ""
}

// blind says that c, one of family tests, could not become significant whatever
// its trials were: the smallest p-value that they can give is that of all on one
// side below all on the other, in two of the ways to choose which are which; of
// pairs that of all signs alike.
func blind(c record.Change, family int, alpha float64) bool {
	least := 2 / choose(c.Old.N+c.New.N, c.Old.N)
	if c.Pairs > 0 {
		least = 2 / math.Exp2(float64(c.Pairs))
	}
	return least*float64(family) > alpha
}

// tooFew is how many trials a change rests on, in words.
func tooFew(c record.Change) string {
	if c.Pairs > 0 {
		return fmt.Sprintf("%d pairs of processes", c.Pairs)
	}
	return fmt.Sprintf("%d and %d trials", c.Old.N, c.New.N)
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c *= float64(n-i) / float64(i+1)
	}
	return math.Round(c)
}
