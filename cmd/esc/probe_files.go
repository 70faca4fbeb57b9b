package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/chart"
)

// folderOf wants the folder of a file to be there: to find out after a measurement
// that it is not costs the measurement.
func folderOf(file string) error {
	if file == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", filepath.Dir(file))
	}
	return err
}

// writeFile makes one file; its errors name it.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return usage("%v", err)
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// writeSurvey writes what a survey found into a folder.
func writeSurvey(dir string, v probes.Survey) error {
	files := map[string]func(io.Writer) error{
		"probe.json": func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", " ")
			return e.Encode(v)
		},
		"probe.txt":     func(w io.Writer) error { return surveyText(w, v, v.Topology) },
		"topology.json": func(w io.Writer) error { return json.NewEncoder(w).Encode(v.Topology) },
		"topology.svg":  func(w io.Writer) error { return drawTopology(w, v.Topology) },
		"floors.csv":    func(w io.Writer) error { return floorsCSV(w, v) },
	}
	if v.Transfers != nil {
		files["c2c.csv"] = v.Transfers.Matrix.WriteCSV
		files["c2c.svg"] = func(w io.Writer) error { return drawTransfers(w, *v.Transfers) }
	}
	if len(v.Curves) > 0 {
		files["memory.csv"] = func(w io.Writer) error { return curvesCSV(w, v.Curves) }
		files["memory.svg"] = func(w io.Writer) error { return drawCurves(w, v.Curves, v.Topology) }
	}
	if len(v.Jitter) > 0 {
		files["jitter.csv"] = func(w io.Writer) error { return jitterCSV(w, v) }
	}
	if gaps := gapSeries(v); len(gaps) > 0 {
		files["jitter.svg"] = func(w io.Writer) error { return drawJitter(w, gaps) }
	}
	for name, write := range files {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	return nil
}

// writeExtras writes what --csv and --svg ask for.
func (f probeFlags) writeExtras(v probes.Survey, t *topology.Topology) error {
	if f.csv != "" && (v.Transfers != nil || len(v.Curves) > 0) {
		write := func(w io.Writer) error { return curvesCSV(w, v.Curves) }
		if v.Transfers != nil {
			write = v.Transfers.Matrix.WriteCSV
		}
		if err := writeFile(f.csv, write); err != nil {
			return err
		}
	}
	if f.svg == "" || v.Transfers == nil && len(v.Curves) == 0 {
		return nil
	}
	return writeFile(f.svg, func(w io.Writer) error {
		if v.Transfers != nil {
			return drawTransfers(w, *v.Transfers)
		}
		return drawCurves(w, v.Curves, t)
	})
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func floorsCSV(to io.Writer, v probes.Survey) error {
	w := csv.NewWriter(to)
	rows := [][]string{{"name", "median_ns", "low_ns", "high_ns", "samples", "how"}}
	for _, list := range [][]probes.Floor{v.Atomics, v.Kernel, v.Network, v.Disk} {
		for _, f := range list {
			rows = append(rows, []string{f.Name, number(f.Ns), number(f.Low), number(f.High), strconv.Itoa(f.N), f.How})
		}
	}
	return w.WriteAll(rows)
}

func curvesCSV(to io.Writer, curves []probes.Curve) error {
	w := csv.NewWriter(to)
	rows := [][]string{{"cpu", "node", "bytes", "latency_ns", "latency_low_ns", "latency_high_ns", "read_bytes_per_s", "write_bytes_per_s", "copy_bytes_per_s"}}
	for _, c := range curves {
		node := ""
		if c.Node != nil {
			node = strconv.Itoa(*c.Node)
		}
		for _, p := range c.Points {
			rows = append(rows, []string{strconv.Itoa(c.CPU), node, strconv.Itoa(p.Bytes), number(p.Latency.Ns), number(p.Latency.Low), number(p.Latency.High),
				number(p.Read.PerSecond), number(p.Write.PerSecond), number(p.Copy.PerSecond)})
		}
	}
	return w.WriteAll(rows)
}

func jitterCSV(to io.Writer, v probes.Survey) error {
	w := csv.NewWriter(to)
	rows := [][]string{{"preemption", "cpu", "cause", "gaps", "lost_ns", "duration_ns", "evidence"}}
	for mode, list := range map[string][]probes.Jitter{"on": v.Jitter, "off": v.Calm} {
		for _, j := range list {
			for _, c := range j.Causes {
				rows = append(rows, []string{mode, strconv.Itoa(j.CPU), c.Name, strconv.Itoa(c.Gaps), strconv.FormatInt(c.LostNs, 10), strconv.FormatInt(j.DurationNs, 10), c.Evidence})
			}
		}
	}
	return w.WriteAll(rows)
}

func drawTransfers(w io.Writer, x probes.Transfers) error {
	names := make([]string, len(x.Matrix.CPUs))
	grid := chart.Grid{From: "CPU", To: "CPU", Format: chart.Duration, Values: make([][]float64, len(names))}
	for i, c := range x.Matrix.CPUs {
		names[i] = strconv.Itoa(c)
		grid.Values[i] = make([]float64, len(names))
		for j, ns := range x.Matrix.Ns[i] {
			grid.Values[i][j] = ns
			if ns == 0 {
				grid.Values[i][j] = math.NaN()
			}
		}
	}
	grid.Rows, grid.Columns = names, names
	figure, err := chart.Heat("Core to core", "What a cache line costs one way between two CPUs, half a round trip.", grid)
	if err != nil {
		return err
	}
	return figure.SVG(w)
}

// gapSeries is the longest gaps of each CPU over time, with the runtime's
// pre-emption and without, as many as one figure holds.
func gapSeries(v probes.Survey) (series []chart.Series) {
	for _, side := range []struct {
		name string
		list []probes.Jitter
	}{{"as Go runs", v.Jitter}, {"no pre-emption", v.Calm}} {
		for _, j := range side.list[:min(len(side.list), seriesDrawn/2)] {
			s := chart.Series{Name: fmt.Sprintf("CPU %d, %s", j.CPU, side.name)}
			for _, g := range j.Worst {
				s.Points = append(s.Points, chart.Point{X: float64(g.AtNs), Y: float64(g.Ns)})
			}
			if len(s.Points) > 0 {
				series = append(series, s)
			}
		}
	}
	return series
}

func drawJitter(w io.Writer, gaps []chart.Series) error {
	figure, err := chart.Strip("Jitter", "The longest gaps of a spinning thread, over the time it spun.", gaps)
	if err != nil {
		return err
	}
	return figure.SVG(w)
}

// seriesDrawn is how many curves one figure holds.
const seriesDrawn = 4

func drawCurves(w io.Writer, curves []probes.Curve, t *topology.Topology) error {
	var series []chart.Series
	for _, c := range curves {
		if len(c.Points) < 2 || len(series) == seriesDrawn {
			continue
		}
		s := chart.Series{Name: fmt.Sprintf("CPU %d", c.CPU)}
		if c.Node != nil {
			s.Name += fmt.Sprintf(", node %d", *c.Node)
		}
		for _, p := range c.Points {
			s.Points = append(s.Points, chart.Point{X: float64(p.Bytes), Y: p.Latency.Ns})
		}
		series = append(series, s)
	}
	var levels []chart.Level
	for _, c := range t.Caches {
		if c.SizeBytes != nil && c.Type != "Instruction" && c.CPUs.Has(curves[0].CPU) {
			levels = append(levels, chart.Level{Name: fmt.Sprintf("L%d", c.Level), At: float64(*c.SizeBytes), Kind: chart.FloorLevel})
		}
	}
	figure, err := chart.Sweep("Memory", "The time of one load that needs the load before it, in random order, by working set.", series, levels)
	if err != nil {
		return err
	}
	return figure.SVG(w)
}
