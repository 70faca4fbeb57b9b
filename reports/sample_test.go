package reports

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// sampleRun is a run with one of everything, the same on every machine: figures
// are drawn from a seeded generator and are nobody's measurements.
func sampleRun() record.Run {
	started := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	host := record.Fitness{Verdict: record.Degraded, Checks: []record.Check{
		{Name: "invariant TSC", Value: "yes", Source: "CPUID 80000007", Verdict: record.OK},
		{Name: "hypervisor", Value: "kvm", Source: "CPUID", Verdict: record.Warn, Why: "a guest loses time to its host", Mend: "measure on bare metal"},
		{Name: "steal", Value: "3.1 %", Source: "/proc/stat", Verdict: record.Bad, Why: "the host took 3.1 % of CPU time in the last second, more than the 0.5 % that is taken for quiet", Mend: "move neighbours away"},
		{Name: "governor", Value: "", Source: "cpufreq", Verdict: record.Unknown},
	}}
	run := record.Run{
		Schema: record.Schema, Started: started, Ended: started.Add(90 * time.Second),
		Command: []string{"esc", "bench"}, Seed: 42,
		Build: record.Build{Go: "go1.26.8", Commit: "0123456789abcdef0123", Dirty: true},
		Host: record.Host{Name: "sample", OS: "linux", Arch: "amd64", Kernel: "6.1.0", CPU: "Example CPU  7000", Online: []int{0, 1, 2, 3},
			Allowed: []int{0, 1}, Nodes: 1, MemoryMB: 7900, Virtual: "kvm"},
		Fitness: host,
		Clock:   record.Clock{Hz: 2.65e9, Agreement: 1e-5, ReadNs: 10, FencedNs: 20, ResolutionNs: 9.8, GHzBefore: 3.3, GHzAfter: 3.29, DriftPpm: 1.2},
		Plan:    []record.Placed{{Role: "drive", CPU: 0, Allowed: []int{0}}, {Role: "engine", CPU: 1, Allowed: []int{1}}},
	}
	run.Rows = []record.Row{spscRow(host), dedupRow(host), e2eRow(host), tcpRow(), mpscRow(), poolRow(host)}
	return run
}

// slower is run with its first row slower by a factor.
func slower(run record.Run, factor float64) record.Run {
	for i := range run.Rows[0].Trials {
		run.Rows[0].Trials[i].Values[0].Value *= factor
	}
	return run
}

// trials draws n trials, each unit spread by 1 % about its median.
func trials(seed uint64, n int, values ...record.Value) []record.Trial {
	r := rand.New(rand.NewPCG(seed, 1))
	var all []record.Trial
	for range n {
		t := record.Trial{N: 1_000_000}
		for _, v := range values {
			spread := 1 + 0.01*r.NormFloat64()
			t.Values = append(t.Values, record.Value{Unit: v.Unit, Value: math.Round(v.Value*spread*1000) / 1000})
		}
		all = append(all, t)
	}
	return all
}

func judgedBy(row record.Row, host record.Fitness, ids ...string) record.Row {
	for _, id := range ids {
		t, _ := judge.ByID(id)
		row.Judgements = append(row.Judgements, judge.Row(t, row, host))
	}
	return row
}

func spscRow(host record.Fitness) record.Row {
	row := record.Row{Workload: "spsc", Procs: 1, Trials: trials(1, 10, record.Value{Unit: "ns/op", Value: 5.2}),
		Floor: &record.Floor{Name: "two XCHG", Ns: 4.8, Low: 4.7, High: 4.9, N: 10, How: "two stores"}, FloorUnit: "ns/op"}
	return judgedBy(row, host, "spsc")
}

func dedupRow(host record.Fitness) record.Row {
	row := record.Row{Workload: "dedup", Params: []record.Param{{Key: "set", Value: "512MiB"}, {Key: "op", Value: "insert"}}, Procs: 1,
		Trials: trials(2, 10, record.Value{Unit: "ns/op", Value: 261}),
		Floor:  &record.Floor{Name: "random access", Ns: 232, Low: 230, High: 236, N: 10, How: "dependent loads"}, FloorUnit: "ns/op"}
	return judgedBy(row, host, "dedup")
}

// tails are the latencies of a guest that loses its CPU now and then, and those
// of the events that it did not lose it under.
var tails = sync.OnceValue(func() []record.Distribution {
	r := rand.New(rand.NewPCG(3, 3))
	raw, quiet := hdrhistogram.New(1, 10_000_000_000, 3), hdrhistogram.New(1, 10_000_000_000, 3)
	for range 200_000 {
		ns := int64(240 * math.Exp(0.35*r.NormFloat64()))
		if r.Float64() < 0.01 {
			_ = raw.RecordValue(ns + int64(1e5*r.ExpFloat64()))
			continue
		}
		_ = raw.RecordValue(ns)
		_ = quiet.RecordValue(ns)
	}
	return []record.Distribution{judge.NewDistribution("received-stored", raw), judge.NewDistribution("received-stored-undisturbed", quiet)}
})

func e2eRow(host record.Fitness) record.Row {
	row := record.Row{Workload: "pipeline", Params: []record.Param{{Key: "rate", Value: "200000"}}, Procs: 2,
		Trials: trials(4, 10, record.Value{Unit: "p50-ns", Value: 241}, record.Value{Unit: "p99-ns", Value: 56_000}, record.Value{Unit: "events/s", Value: 199_998}),
		Floor:  &record.Floor{Name: "line transfer", Ns: 130, Low: 120, High: 150, N: 100, How: "ping-pong over two"}, FloorUnit: "p50-ns",
		Distributions: slices.Clone(tails())}
	row.Trials[3].Invalid = "the generator fell 2.1 ms behind its schedule"
	return judgedBy(row, host, "e2e")
}

func tcpRow() record.Row {
	return record.Row{Workload: "tcp", Params: []record.Param{{Key: "size", Value: "78"}}, Procs: 2,
		Trials: trials(5, 10, record.Value{Unit: "events/s", Value: 15.3e6}, record.Value{Unit: "B/s", Value: 1.19e9}, record.Value{Unit: "lost", Value: 0}),
		Notes:  []string{"read back and compared event by event"}}
}

func mpscRow() record.Row {
	return record.Row{Workload: "mpsc", Params: []record.Param{{Key: "producers", Value: "4"}}, Procs: 5,
		Trials: trials(6, 10, record.Value{Unit: "ns/op", Value: 90}), Oversubscribed: "5 spinning threads on 2 CPUs"}
}

func poolRow(host record.Fitness) record.Row {
	row := record.Row{Workload: "pool", Params: []record.Param{{Key: "node", Value: "remote"}}, Procs: 1, Skipped: "this machine has one memory node"}
	return judgedBy(row, host, "pool")
}
