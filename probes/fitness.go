package probes

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"eventstreamcore/probes/topology"
)

// Verdict is what a check says of one fact.
type Verdict string

// The verdicts of a check, best first. What cannot be read is Unknown.
const (
	OK      Verdict = "ok"
	Unknown Verdict = "unknown"
	Warn    Verdict = "warn"
	Bad     Verdict = "bad"
)

// Fit is what the checks together say of the host.
type Fit string

// The host's verdicts. An absolute bound missed on a host that is not FIT is
// inconclusive; an UNFIT host is not worth measuring on.
const (
	FIT      Fit = "FIT"
	DEGRADED Fit = "DEGRADED"
	UNFIT    Fit = "UNFIT"
)

// Check is one fact about the host, where it was read, and what it means.
type Check struct {
	Name    string  `json:"name"`
	Value   string  `json:"value"`
	Source  string  `json:"source"` // path or instruction it was read from
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why"`            // why it matters, in one line
	Mend    string  `json:"mend,omitempty"` // the command that mends it
	Undo    string  `json:"undo,omitempty"` // the command that undoes the mending
}

// Fitness is every check and what they come to.
type Fitness struct {
	Verdict Fit     `json:"verdict"`
	Checks  []Check `json:"checks"`
}

// NewFitness judges the checks: one bad makes the host UNFIT; one warning, or
// one fact that could not be read, DEGRADED.
func NewFitness(checks []Check) Fitness {
	f := Fitness{Verdict: FIT, Checks: checks}
	for _, c := range checks {
		switch {
		case c.Verdict == Bad:
			f.Verdict = UNFIT
		case c.Verdict != OK && f.Verdict == FIT:
			f.Verdict = DEGRADED
		}
	}
	return f
}

// Reasons says in one line each why the host is not FIT, the worst first.
func (f Fitness) Reasons() (reasons []string) {
	for _, verdict := range []Verdict{Bad, Warn, Unknown} {
		for _, c := range f.Checks {
			if c.Verdict == verdict {
				reasons = append(reasons, c.reason())
			}
		}
	}
	return reasons
}

func (c Check) reason() string {
	text := fmt.Sprintf("%s: %s: %s", c.Verdict, c.Name, c.Value)
	if c.Mend != "" && c.Verdict != Unknown {
		text += "; mend with: " + c.Mend
	}
	return text
}

// RulerCheck turns the outcome of CheckRuler or Recheck into a check, to go
// into the Fitness with the rest.
func RulerCheck(r Ruler, err error) Check {
	c := Check{Name: "ruler", Source: "counter against CLOCK_MONOTONIC_RAW and a chain of additions", Verdict: OK,
		Value: fmt.Sprintf("%.2f GHz, drift %.1e, step %.3g ns", r.GHzBefore, r.DriftBefore, r.ResolutionNs),
		Why:   "every figure is read off this clock"}
	if err != nil {
		c.Verdict, c.Value = Bad, err.Error()
	}
	return c
}

// CheckFitness reads every fact below root (os.DirFS("/") for this machine)
// that bears on measurements on the CPUs given. It changes nothing and takes
// milliseconds.
func CheckFitness(root fs.FS, cpus []int) Fitness {
	m := machine{root: root, cpus: cpus}
	m.cpuinfo, m.cpuinfoErr = m.read("proc/cpuinfo")
	checks := make([]Check, 0, len(hostChecks))
	for _, check := range hostChecks {
		checks = append(checks, check(m))
	}
	return NewFitness(checks)
}

// machine is what the checks read from.
type machine struct {
	root       fs.FS
	cpus       []int
	cpuinfo    string
	cpuinfoErr error
}

// read is a file's content without the white space round it.
func (m machine) read(file string) (string, error) {
	text, err := fs.ReadFile(m.root, file)
	return strings.Trim(string(text), " \t\r\n\x00"), err
}

// list is a file in the kernel's list format.
func (m machine) list(file string) (topology.List, bool) {
	text, err := m.read(file)
	if err != nil {
		return nil, false
	}
	list, err := topology.ParseList(text)
	return list, err == nil
}

// unread sets the verdict for a file that could not be read.
func (c Check) unread(err error) Check {
	c.Verdict, c.Value = Unknown, "unreadable: "+err.Error()
	if errors.Is(err, fs.ErrNotExist) {
		c.Value = "not there"
	}
	return c
}

// absent is unread for a feature that a kernel may be built without: where its
// folder is there and its file is not, there is nothing that could disturb.
func (m machine) absent(c Check, err error, file string) Check {
	c = c.unread(err)
	if _, folderErr := fs.Stat(m.root, path.Dir(file)); errors.Is(err, fs.ErrNotExist) && folderErr == nil {
		c.Verdict, c.Value = OK, "not built in"
	}
	return c
}
