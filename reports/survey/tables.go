package survey

import (
	"encoding/csv"
	"io"
	"strconv"

	"eventstreamcore/probes"
)

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
	for _, side := range []struct {
		preemption string
		list       []probes.Jitter
	}{{"on", v.Jitter}, {"off", v.Calm}} {
		for _, j := range side.list {
			for _, c := range j.Causes {
				rows = append(rows, []string{side.preemption, strconv.Itoa(j.CPU), c.Name, strconv.Itoa(c.Gaps), strconv.FormatInt(c.LostNs, 10), strconv.FormatInt(j.DurationNs, 10), c.Evidence})
			}
		}
	}
	return w.WriteAll(rows)
}
