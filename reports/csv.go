package reports

import (
	"encoding/csv"
	"io"
	"strconv"

	"eventstreamcore/reports/record"
)

// CSV writes every value of every trial of run, one a line, those that do not
// count included and marked.
func CSV(w io.Writer, run record.Run) error {
	lines := [][]string{{"row", "workload", "params", "threads", "trial", "n", "unit", "value", "invalid"}}
	for _, row := range run.Rows {
		for i, t := range row.Trials {
			for _, v := range t.Values {
				lines = append(lines, []string{row.Benchmark(), row.Workload, params(row), strconv.Itoa(row.Procs), strconv.Itoa(i + 1),
					strconv.FormatInt(t.N, 10), v.Unit, exact(v.Value), t.Invalid})
			}
		}
	}
	return writeCSV(w, lines)
}

// percentilesCSV writes the percentiles of every distribution, in ns.
func percentilesCSV(w io.Writer, run record.Run) error {
	lines := [][]string{{"row", "distribution", "samples", "percent", "ns"}}
	for _, row := range run.Rows {
		for _, d := range row.Distributions {
			for _, p := range d.Percentiles {
				lines = append(lines, []string{row.Benchmark(), d.Name, strconv.FormatInt(d.Count, 10), exact(p.Percent), strconv.FormatInt(p.Ns, 10)})
			}
		}
	}
	return writeCSV(w, lines)
}

// matrixCSV writes a matrix as one: what was not measured is empty.
func matrixCSV(w io.Writer, m record.Matrix) error {
	lines := [][]string{append([]string{m.From + " to " + m.To + ", " + m.Unit}, m.Columns...)}
	for i, row := range m.Values {
		line := []string{""}
		if i < len(m.Rows) {
			line[0] = m.Rows[i]
		}
		for _, v := range row {
			if v == nil {
				line = append(line, "")
				continue
			}
			line = append(line, exact(*v))
		}
		lines = append(lines, line)
	}
	return writeCSV(w, lines)
}

// sweepCSV writes a cost over working sets.
func sweepCSV(w io.Writer, s record.Sweep) error {
	lines := [][]string{{"bytes", s.Unit, "low", "high"}}
	for _, p := range s.Points {
		lines = append(lines, []string{strconv.FormatInt(p.Bytes, 10), exact(p.Value), exact(p.Low), exact(p.High)})
	}
	return writeCSV(w, lines)
}

func exact(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func writeCSV(w io.Writer, lines [][]string) error {
	out := csv.NewWriter(w)
	if err := out.WriteAll(lines); err != nil {
		return err
	}
	return out.Error()
}
