package judge

import (
	"strings"

	"eventstreamcore/reports/record"
)

// Target is a bound that the original states.
type Target struct {
	ID      string
	What    string
	Unit    string // of the trials held against it, in the benchmark format's form
	Bound   float64
	AtLeast bool   // reached from above; otherwise the figure must stay under Bound
	Source  string // where the original states it
}

// Where the bounds come from.
const (
	tableOfTargets = "the original's table of performance targets"
	measured       = "stated by the original as measured"
	sla            = "the original processor's SLA"
	claim          = "claimed elsewhere by the original"
)

// Targets are all of them, in the order in which they are shown. Where the
// original gives a latency without a percentile, the P99 is judged, as it says
// itself of the end-to-end path.
var Targets = []Target{
	{ID: "spsc", What: "push+pop of a handle, one thread, amortised", Unit: "ns/op", Bound: 10, Source: tableOfTargets},
	{ID: "mpsc", What: "push, amortised per push that succeeded", Unit: "ns/op", Bound: 25, Source: tableOfTargets},
	{ID: "pool", What: "pool acquire+release, amortised", Unit: "ns/op", Bound: 15, Source: tableOfTargets},
	{ID: "dedup", What: "dedup lookup and insert, amortised", Unit: "ns/op", Bound: 20, Source: tableOfTargets},
	{ID: "e2e", What: "received to stored, REALTIME, P99", Unit: "p99-ns", Bound: 5_000, Source: tableOfTargets},
	{ID: "realtime", What: "received to processed, REALTIME, P99", Unit: "p99-ns", Bound: 100_000, Source: sla},
	{ID: "transactional", What: "received to processed, TRANSACTIONAL, P99", Unit: "p99-ns", Bound: 1_000_000, Source: sla},
	{ID: "batch", What: "received to processed, BATCH, P99", Unit: "p99-ns", Bound: 10_000_000, Source: sla},
	{ID: "pool-rate", What: "pool acquire+release, rate", Unit: "ops/s", Bound: 13.1e6, AtLeast: true, Source: measured},
	{ID: "pool-gain", What: "pool against plain allocation, ratio of rates", Unit: "x-alloc", Bound: 1.23, AtLeast: true, Source: measured},
	{ID: "spsc-rate", What: "handles across two cores", Unit: "events/s", Bound: 4.5e6, AtLeast: true, Source: measured},
	{ID: "lookup", What: "dedup read, amortised", Unit: "ns/op", Bound: 14.2, Source: measured},
	{ID: "e2e-claim", What: "received to stored, REALTIME, P99", Unit: "p99-ns", Bound: 2_000, Source: claim},
	{ID: "pipeline-rate", What: "whole pipeline, all stages", Unit: "events/s", Bound: 10e6, AtLeast: true, Source: claim},
}

// ByID finds a target in Targets.
func ByID(id string) (Target, bool) {
	for _, t := range Targets {
		if t.ID == id {
			return t, true
		}
	}
	return Target{}, false
}

// Within says whether an interval lies wholly within the bound: under it, or,
// for a rate, not below it.
func (t Target) Within(low, high float64) bool {
	if t.AtLeast {
		return low >= t.Bound
	}
	return high < t.Bound
}

func (t Target) judgement() record.Judgement {
	return record.Judgement{Target: t.ID, What: t.What, Unit: t.Unit, Bound: t.Bound, AtLeast: t.AtLeast}
}

// Missing are the targets that no row of rows was held against.
func Missing(rows []record.Row) []Target {
	judged := map[string]bool{}
	for _, r := range rows {
		for _, j := range r.Judgements {
			judged[j.Target] = true
		}
	}
	var missing []Target
	for _, t := range Targets {
		if !judged[t.ID] {
			missing = append(missing, t)
		}
	}
	return missing
}

// IsRate says whether unit counts something by the second.
func IsRate(unit string) bool { return strings.HasSuffix(unit, "/s") }

// IsNs says whether unit is a time in nanoseconds: ns/op, p99-ns.
func IsNs(unit string) bool {
	return unit == "ns/op" || unit == "ns" || strings.HasSuffix(unit, "-ns")
}

// MoreIsBetter is the direction of a unit: rates and ratios over a peer should
// rise; times, sizes and counts of mishaps should fall.
func MoreIsBetter(unit string) bool {
	return IsRate(unit) || strings.HasPrefix(unit, "x-") && unit != XFloor
}
