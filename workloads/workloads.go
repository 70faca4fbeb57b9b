// Package workloads drives every stage of the engine and records what it did:
// one file per workload, one table of them all.
//
// It takes the position that the thing measured must be the thing used. Every
// workload calls the engine's own types, counts what succeeded, checks that
// nothing went missing, and stands beside the floor measured in the same minute
// on the same CPUs; a trial that breaks one of these is kept as invalid and
// never averaged in. What a figure means for the targets, package judge says.
package workloads

import (
	"regexp"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/record"
)

// Workload is one stage, or the whole path, under load.
type Workload struct {
	Name  string
	About string
	Cells func(b *Bench) []Cell
}

// All are the workloads, in the order in which they run.
var All = []Workload{
	{"spsc", "handles through the single-producer ring", spsc},
	{"mpsc", "handles through the many-producer ring", mpsc},
	{"pool", "slots out of a pool and back", pool},
	{"dedup", "ids looked up and inserted, by working set", dedup},
	{"parse", "frames decoded", parse},
	{"dispatch", "handles routed to their lanes", dispatchCells},
	{"append", "events appended to the log", appendCells},
	{"log", "events made durable, by producers in closed loop", durable},
	{"pipeline", "the whole engine, driven in process", pipeline},
	{"tcp", "the whole engine, driven over loopback by another process", tcp},
}

// Select is the cells whose name matches, as they stand in bench.txt:
// spsc/mode=pair. A workload of which no cell matches is left out.
func Select(b *Bench, name *regexp.Regexp) (chosen []Workload) {
	for _, w := range All {
		var cells []Cell
		for _, c := range w.Cells(b) {
			if name.MatchString(title(w.Name, c)) {
				cells = append(cells, c)
			}
		}
		if len(cells) > 0 {
			w.Cells = func(*Bench) []Cell { return cells }
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// Cell is one set of parameters of a workload.
type Cell struct {
	Params  []record.Param
	Threads int      // threads that spin: the -P suffix; more than there are CPUs is oversubscribed
	Targets []string // judged on the cell's own values
	Needs   int      // CPUs without which the cell cannot be run at all

	// Floor measures the physical cost under the cell, in nanoseconds of the
	// unit FloorUnit. Nil where there is none.
	Floor     func(b *Bench) (record.Floor, error)
	FloorUnit string

	// Open makes what the trials share, and returns the trial.
	Open func(b *Bench) (Trial, error)
}

// Trial is one run of a cell. It is called once to warm up, then once for each
// trial that is kept; Close frees what Open made.
type Trial struct {
	Run   func() (Outcome, error)
	Close func() error
}

// Outcome is what one trial came to.
type Outcome struct {
	record.Trial
	Spans  []Span
	Loads  []record.Load   // of a sweep, by rate
	Placed []record.Placed // read back
	Slabs  []record.Slab
}

// Span is a distribution of latencies between two points of an event's way; it
// becomes a row of its own.
type Span struct {
	Name      string // received-stored
	Targets   []string
	Histogram *hdrhistogram.Histogram // ns

	// Of the whole way alone: when its first event was due, in ns of
	// CLOCK_MONOTONIC_RAW, its latencies over time from there, and single events.
	Began      int64
	Intervals  []record.Interval
	Waterfalls []record.Waterfall
}

func params(keysAndValues ...string) (list []record.Param) {
	for i := 0; i < len(keysAndValues); i += 2 {
		list = append(list, record.Param{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return list
}

func value(unit string, v float64) record.Value { return record.Value{Unit: unit, Value: v} }
