package survey

import (
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/probes"
	"eventstreamcore/reports/chart"
)

// jitters is what the CPUs lose as Go programs run and, where that was measured,
// without the runtime's pre-emption.
func (p page) jitters(normal, calm []probes.Jitter) {
	if len(normal) == 0 {
		return
	}
	p.losses("jitter: a thread spinning on each CPU", normal)
	if len(calm) == 0 {
		return
	}
	p.losses("the same without the runtime's pre-emption (GODEBUG=asyncpreemptoff=1)", calm)
	p.line("")
	for _, with := range normal {
		i := slices.IndexFunc(calm, func(j probes.Jitter) bool { return j.CPU == with.CPU })
		if i < 0 {
			continue
		}
		goes, without := lostTo(with, probes.CauseRuntime), lostTo(calm[i], probes.CauseRuntime)
		p.line("CPU %d: the Go runtime takes %.3f %% with pre-emption and %.3f %% without; all causes %.3f %% and %.3f %%",
			with.CPU, goes*100, without*100, with.LostShare*100, calm[i].LostShare*100)
	}
}

// lostTo is the share of its time that a CPU lost to one cause.
func lostTo(j probes.Jitter, cause string) float64 {
	for _, c := range j.Causes {
		if c.Name == cause {
			return float64(c.LostNs) / float64(max(j.DurationNs, 1))
		}
	}
	return 0
}

func (p page) losses(title string, list []probes.Jitter) {
	p.title("%s", title)
	for _, j := range list {
		seconds := float64(j.DurationNs) / 1e9
		p.row(fmt.Sprintf("CPU %d", j.CPU), fmt.Sprintf("lost %.3f %%", j.LostShare*100), fmt.Sprintf("%.0f gaps/s over 1 us", float64(j.Gaps)/seconds),
			"worst "+chart.Duration(float64(j.WorstNs)), fmt.Sprintf("%.2f GHz, then %.2f", j.GHzBefore, j.GHzAfter))
	}
	for _, j := range list {
		for _, c := range j.Causes {
			p.line("CPU %d  %-20s %5d gaps, %s: %s", j.CPU, c.Name, c.Gaps, chart.Duration(float64(c.LostNs)), c.Evidence)
		}
		p.line("CPU %d  gaps by length: %s", j.CPU, byLength(j.Histogram))
	}
}

func byLength(buckets []probes.Bucket) string {
	texts := []string{}
	for _, b := range buckets {
		if b.Gaps > 0 {
			texts = append(texts, fmt.Sprintf("to %s %d", chart.Duration(float64(b.UnderNs)), b.Gaps))
		}
	}
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, ", ")
}
