package reports

import (
	"fmt"
	"strings"

	"k8s.io/utils/cpuset"

	"eventstreamcore/reports/record"
)

func hostPart(run record.Run) part {
	speaking, fine := fitnessTables(run.Fitness)
	p := part{ID: "host", Title: "Host: " + run.Fitness.Verdict,
		Lead: "FIT: figures can be trusted. DEGRADED: something takes time from them, so that a missed bound proves nothing. UNFIT: nothing can be concluded. " +
			"Each check that speaks against the host stands with the command that mends it, and the one that takes it back."}
	if len(speaking.Rows) > 0 {
		p.Blocks = append(p.Blocks, block{Table: speaking})
	}
	if len(fine.Rows) > 0 {
		p.Blocks = append(p.Blocks, block{Folded: &folded{fmt.Sprintf("%s with nothing against the host", plural(len(fine.Rows), "check")), []block{{Table: fine}}}})
	}
	p.Blocks = append(p.Blocks, block{Table: factsTable(run)})
	if len(run.Senders) > 0 {
		p.Blocks = append(p.Blocks, block{Table: sendersTable(run.Senders)})
	}
	return p
}

// fitnessTables is the checks that speak against the host or could not be read,
// the worst first, and those that are fine.
func fitnessTables(f record.Fitness) (speaking, fine *table) {
	speaking = &table{Caption: "What speaks against the host, or could not be read", Head: heads("check", "verdict", "found", "what mends it", "read from")}
	fine = &table{Caption: "What is as it should be", Head: heads("check", "found", "read from")}
	for _, verdict := range []string{record.Bad, record.Warn, record.Unknown, record.OK} {
		for _, c := range f.Checks {
			switch {
			case c.Verdict != verdict:
			case verdict == record.OK:
				fine.Rows = append(fine.Rows, []cell{{Text: c.Name}, {Text: c.Value, About: c.Why, Class: "why"}, {Text: c.Source, Class: "mute why"}})
			default:
				undo := ""
				if c.Undo != "" {
					undo = "undo: " + c.Undo
				}
				speaking.Rows = append(speaking.Rows, []cell{{Text: c.Name}, {Text: c.Verdict, Class: verdictClass[c.Verdict]},
					{Text: c.Value, About: c.Why, Class: "why"}, {Text: c.Mend, About: undo, Class: "why"}, {Text: c.Source, Class: "mute why"}})
			}
		}
	}
	return speaking, fine
}

func factsTable(run record.Run) *table {
	h, c, counters := run.Host, run.Clock, ""
	if run.Counters != nil {
		counters = counted(run.Counters)
	}
	t := &table{Caption: "The machine and the run", Head: heads("what", "value")}
	for _, fact := range [][2]string{
		{"host", h.Name},
		{"CPU", h.CPU},
		{"system", h.OS + "/" + h.Arch + " " + h.Kernel},
		{"CPUs", fmt.Sprintf("%s of %s", cpuset.New(h.Allowed...), cpuset.New(h.Online...))},
		{"memory", fmt.Sprintf("%s, %.1f GiB", plural(h.Nodes, "node"), float64(h.MemoryMB)/1024)},
		{"hypervisor", h.Virtual},
		{"plan", strings.Join(places(run.Plan), ", ")},
		{"build", fmt.Sprintf("commit %s, %s", run.Build.Commit, run.Build.Go)},
		{"command", strings.Join(run.Command, " ")},
		{"seed", fmt.Sprint(run.Seed)},
		{"time", fmt.Sprintf("%s, %.0f s", run.Started.UTC().Format("2006-01-02 15:04:05 UTC"), run.Ended.Sub(run.Started).Seconds())},
		{"counter", fmt.Sprintf("%.4f GHz, step %s, read %s, fenced %s", c.Hz/1e9, figure(c.ResolutionNs, "ns"), figure(c.ReadNs, "ns"), figure(c.FencedNs, "ns"))},
		{"counters", counters},
		{"ruler", fmt.Sprintf("core %.2f GHz before, %.2f after; drift %+.1f ppm", c.GHzBefore, c.GHzAfter, c.DriftPpm)},
	} {
		if fact[1] != "" {
			t.Rows = append(t.Rows, []cell{{Text: fact[0]}, {Text: oneSpaced(fact[1])}})
		}
	}
	return t
}
