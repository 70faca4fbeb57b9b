package reports

import (
	"fmt"
	"io"
	"strings"

	"eventstreamcore/reports/record"
)

// ProofTable writes what a gate's trial of itself came to, for a terminal of
// width columns.
func ProofTable(w io.Writer, proof record.Proof, width int, color bool) error {
	p := &printer{width: max(width, widthMin), color: color}
	p.wrap("host     ", fmt.Sprintf("%s: %s, CPUs %d, %s", proof.Host.Name, oneSpaced(proof.Host.CPU), len(proof.Host.Allowed), proof.Fitness.Verdict))
	p.wrap("gate     ", fmt.Sprintf("%s; %d pairs of processes, %d trials for each figure, drawn from %d blocks, seed %d", strings.Join(proof.Rules, ", "), proof.Pairs, proof.Trials, proof.Blocks, proof.Seed))
	p.wrap("alarms   ", fmt.Sprintf("%s with nothing changed", rate(proof.FalseAlarms)))
	for i, power := range proof.Power {
		head := "         "
		if i == 0 {
			head = "power    "
		}
		p.wrap(head, fmt.Sprintf("%s of rows slowed down by %s found (measured: %s)", rate(power.Found), percentOf(power.Slowdown), percentOf(power.Measured)))
	}
	p.line("")
	p.columns(proofLines(proof), "lrr"+strings.Repeat("r", len(proof.Power)))
	p.line("")
	p.wrap("", "noise: by how much the row moves when nothing has changed, in 95 of 100. Under a slowdown: how often it was found, and what it measured. Rates have exact 95 % intervals; trials share the pairs they are drawn from.")
	verdict := record.Pass
	if len(proof.Missed) > 0 {
		verdict = record.Fail
	}
	p.line("")
	p.line("selftest %s", p.paint(verdict))
	for _, m := range proof.Missed {
		p.wrap("         ", m)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// proofLines is a line for each row.
func proofLines(proof record.Proof) [][]string {
	head := []string{"row", "noise", "alarms"}
	for _, power := range proof.Power {
		head = append(head, percentOf(power.Slowdown))
	}
	lines := [][]string{head}
	for _, row := range proof.Rows {
		line := []string{printable(row.Row), percentOf(row.Band), fmt.Sprint(row.Alarms.Hits)}
		for _, power := range row.Power {
			line = append(line, fmt.Sprintf("%.0f%% (%s)", 100*power.Found.Share(), percent(power.Measured)))
		}
		lines = append(lines, line)
	}
	return lines
}

func rate(r record.Rate) string {
	return fmt.Sprintf("%d of %d, %.2f %% (%.2f-%.2f)", r.Hits, r.Of, 100*r.Share(), 100*r.Low, 100*r.High)
}

func percentOf(share float64) string { return fmt.Sprintf("%.3g%s%%", 100*share, solid) }
