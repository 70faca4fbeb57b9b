package survey

import "eventstreamcore/probes"

func (p page) fitness(f *probes.Fitness) {
	if f == nil {
		return
	}
	p.row("host", f.Verdict)
	for _, c := range f.Checks {
		p.row("  "+string(c.Verdict), c.Name, c.Value, c.Source)
	}
	for _, v := range []probes.Verdict{probes.Bad, probes.Warn, probes.Unknown} {
		for _, c := range f.Checks {
			if c.Verdict == v {
				p.remedy(c)
			}
		}
	}
}

// remedy is why a check was not met, and what mends that.
func (p page) remedy(c probes.Check) {
	p.title("%s: %s: %s\n  %s", c.Verdict, c.Name, c.Value, c.Why)
	if c.Mend != "" {
		p.line("  mend: %s", c.Mend)
	}
	if c.Undo != "" {
		p.line("  undo: %s", c.Undo)
	}
}
