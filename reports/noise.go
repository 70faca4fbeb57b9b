package reports

import (
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// counted says where a run's performance counters come from.
func counted(c *record.Counters) string {
	source := "of " + c.PMU
	if c.PMU == "" {
		source = "the kernel's own alone"
	}
	return strings.Join(append([]string{source}, c.Missing...), "; ")
}

// disturbances is what must be said of a row beside its figures: what it comes
// to without the events that met a gap, whom the outliers are owed to, and
// whether it stood still.
func disturbances(row record.Row) (lines []string) {
	for i, d := range row.Distributions {
		if i > 0 && strings.HasSuffix(d.Name, record.Undisturbed) {
			lines = append(lines, apart(row.Distributions[i-1], d))
		}
	}
	if text := stampsCost(row); text != "" {
		lines = append(lines, text)
	}
	if text := calmLoop(row); text != "" {
		lines = append(lines, text)
	}
	if len(row.Blames) > 0 {
		lines = append(lines, blamed(row.Blames))
	}
	if c := perOperation(row); c != "" {
		lines = append(lines, c)
	}
	if s := row.Steadiness; s != nil && s.WarmUp > 1 {
		lines = append(lines, fmt.Sprintf("warm-up: %d trials were not yet like the rest, and are left out", s.WarmUp))
	}
	if s := row.Steadiness; s != nil && s.Unsteady {
		lines = append(lines, fmt.Sprintf("UNSTEADY: %s over the trials: %s", s.Unit, s.Verdict))
	}
	return lines
}

// apart sets the percentiles of all events beside those of the undisturbed.
func apart(all, calm record.Distribution) string {
	share := 0.0
	if all.Count > 0 {
		share = 100 * float64(all.Count-calm.Count) / float64(all.Count)
	}
	text := fmt.Sprintf("disturbed %.1f %% of %s events", share, judge.Grouped(all.Count))
	for _, p := range all.Percentiles {
		i := slices.IndexFunc(calm.Percentiles, func(c record.Percentile) bool { return c.Percent == p.Percent })
		if i < 0 || p.Percent != 50 && p.Percent < 99 {
			continue
		}
		text += fmt.Sprintf("; p%v all %s, undisturbed %s", p.Percent, figure(float64(p.Ns), "ns"), figure(float64(calm.Percentiles[i].Ns), "ns"))
	}
	return text
}

// stampsCost says which events the legs are of, and what it cost them to have them;
// "" of a row without legs, or whose every event was stamped.
func stampsCost(row record.Row) string {
	with, ok := stampedWhole(row)
	if !ok {
		return ""
	}
	text := fmt.Sprintf("legs of %s events of trials of their own, which each stage stamps", judge.Grouped(with.Count))
	for _, p := range row.Distributions[0].Percentiles {
		i := slices.IndexFunc(with.Percentiles, func(w record.Percentile) bool { return w.Percent == p.Percent })
		if i >= 0 && p.Percent == 50 {
			text += fmt.Sprintf(": p50 %s, without stamps %s", figure(float64(with.Percentiles[i].Ns), "ns"), figure(float64(p.Ns), "ns"))
		}
	}
	return text
}

// stampedWhole is the whole way of the events that the legs are of, where those
// were others than the row's own.
func stampedWhole(row record.Row) (record.Distribution, bool) {
	i := slices.IndexFunc(row.Distributions, func(d record.Distribution) bool { return d.Name == row.Distributions[0].Name+record.Stamped })
	if i < 0 {
		return record.Distribution{}, false
	}
	return row.Distributions[i], true
}

// calmLoop sets what an operation of a loop took beside what it took in the
// slices of the loop that nothing disturbed: medians over the trials.
func calmLoop(row record.Row) string {
	noted := func(unit string) (values []float64) {
		for _, t := range row.Valid() {
			for _, v := range t.Noise {
				if v.Unit == unit {
					values = append(values, v.Value)
				}
			}
		}
		return values
	}
	calm := noted(record.UndisturbedOp)
	if len(calm) == 0 {
		return ""
	}
	return fmt.Sprintf("disturbed %.1f %% of the loop's slices; all %s, undisturbed %s", 100*judge.Summarise(noted(record.DisturbedShare)).Center,
		figure(judge.Summarise(row.Values("ns/op")).Center, "ns/op"), figure(judge.Summarise(calm).Center, "ns/op"))
}

// blamed lists the causes of outliers, what cost most events first.
func blamed(list []record.Blame) string {
	var texts []string
	outliers, events := 0, 0
	for _, b := range list {
		outliers, events = outliers+b.Outliers, events+b.Events
		texts = append(texts, fmt.Sprintf("%s: %s, to %s", printable(b.Cause), plural(b.Events, "event"), figure(float64(b.Longest), "ns")))
	}
	return fmt.Sprintf("outliers over 10 medians: %d, of %s; by cause: %s", outliers, plural(events, "event"), strings.Join(texts, "; "))
}

// perOperation is what the hardware's counters come to for one operation: the
// median over the trials. The kernel's own counters are left to run.json.
func perOperation(row record.Row) string {
	values := map[string][]float64{}
	var names []string
	for _, t := range row.Valid() {
		for _, c := range t.Counters {
			if t.N < 1 || c.Share == 0 || c.Thread != "hot" && c.Thread != "engine" || !slices.Contains(shownCounters, c.Name) {
				continue
			}
			if values[c.Name] == nil {
				names = append(names, c.Name)
			}
			values[c.Name] = append(values[c.Name], c.Value/float64(t.N))
		}
	}
	var texts []string
	for _, n := range names {
		texts = append(texts, fmt.Sprintf("%s %.3g", n, judge.Summarise(values[n]).Center))
	}
	if len(texts) == 0 {
		return ""
	}
	return "counted for one operation: " + strings.Join(texts, ", ")
}

// shownCounters are those of the hardware.
var shownCounters = []string{"cycles", "instructions", "branch-misses", "cache-misses", "l1d-load-misses", "llc-load-misses", "dtlb-load-misses"}
