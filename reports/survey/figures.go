package survey

import (
	"fmt"
	"math"
	"strconv"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/chart"
)

// hops is what a line costs between every two CPUs.
func hops(x probes.Transfers) (*chart.Figure, error) {
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
	return chart.Heat("Core to core", "What a cache line costs one way between two CPUs, half a round trip.", grid)
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

// seriesDrawn is how many curves one figure holds.
const seriesDrawn = 4

// staircase is the curves of latency, and the caches of the first one's CPU where
// the topology is known.
func staircase(curves []probes.Curve, t *topology.Topology) (*chart.Figure, error) {
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
	return chart.Sweep("Memory", "The time of one load that needs the load before it, in random order, by working set.", series, levelsOf(t, curves[0].CPU))
}

// levelsOf are the caches of a CPU that hold data.
func levelsOf(t *topology.Topology, cpu int) (levels []chart.Level) {
	if t == nil {
		return nil
	}
	for _, c := range t.Caches {
		if c.SizeBytes != nil && c.Type != "Instruction" && c.CPUs.Has(cpu) {
			levels = append(levels, chart.Level{Name: fmt.Sprintf("L%d", c.Level), At: float64(*c.SizeBytes), Kind: chart.FloorLevel})
		}
	}
	return levels
}
