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
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/record"
)

// Workload is one stage, or the whole path, under load.
type Workload struct {
	Name  string
	About string
	Cells func(b *Bench) []Cell
	Apart bool // only where it is asked for: it takes minutes, and other processes
}

// All are the workloads, in the order in which they run.
var All = []Workload{
	{Name: "spsc", About: "handles through the single-producer ring", Cells: spsc},
	{Name: "mpsc", About: "handles through the many-producer ring", Cells: mpsc},
	{Name: "pool", About: "slots out of a pool and back", Cells: pool},
	{Name: "dedup", About: "ids looked up and inserted, by working set", Cells: dedup},
	{Name: "parse", About: "frames decoded", Cells: parse},
	{Name: "dispatch", About: "handles routed to their lanes", Cells: dispatchCells},
	{Name: "bus", About: "handles through the lanes between the stages", Cells: busCells},
	{Name: "process", About: "events through each lane's processor", Cells: processCells},
	{Name: "control", About: "the pressure judged", Cells: controlCells},
	{Name: "append", About: "events appended to the log", Cells: appendCells},
	{Name: "log", About: "events made durable, by producers in closed loop", Cells: durable},
	{Name: "pipeline", About: "the whole engine, driven in process", Cells: pipeline},
	{Name: "tcp", About: "the whole engine, driven over loopback by another process", Cells: tcp},
	{Name: "udp", About: "the same by datagrams", Cells: udp},
	{Name: "replicated", About: "a cluster of three processes on loopback, and one of them killed", Cells: replicated, Apart: true},
}

// Select is the cells whose name matches, as they stand in bench.txt
// (spsc/mode=pair), and that have what the bench's Set says. A workload of which
// no cell is chosen is left out. An error is a setting that no cell has.
func Select(b *Bench, name *regexp.Regexp) (chosen []Workload, err error) {
	var all []Cell
	for _, w := range All {
		var cells []Cell
		for _, c := range w.Cells(b) {
			cells = append(cells, b.placed(c)...)
		}
		all = append(all, cells...)
		cells = slices.DeleteFunc(cells, func(c Cell) bool { return !b.Set.admits(c) || !name.MatchString(title(w.Name, c)) })
		if len(cells) > 0 {
			w.Cells = func(*Bench) []Cell { return cells }
			chosen = append(chosen, w)
		}
	}
	return chosen, b.Set.known(all)
}

// Usual is those that run without being asked for.
func Usual(all []Workload) []Workload {
	return slices.DeleteFunc(slices.Clone(all), func(w Workload) bool { return w.Apart })
}

// Cell is one set of parameters of a workload.
type Cell struct {
	Params  []record.Param
	Threads int      // threads that spin: the -P suffix; more than there are CPUs is oversubscribed
	Targets []string // judged on the cell's own values
	Needs   int      // CPUs without which the cell cannot be run at all
	Rare    int      // by how much fewer its trials are, for each takes so many times the usual length; 0 is 1
	Across  bool     // measured at every relation of two CPUs that the machine has

	usual []record.Param // parameters at the value that the name leaves out
	pair  Pair           // CPUs to run on; the zero Pair is the planned one

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
	Run    func() (Outcome, error)
	Stamps func() (Stamped, error) // of an open loop: a trial in which every stage notes each event
	Close  func() error
	Still  bool // nothing of it runs between two trials: it may stay open while others measure
}

// Outcome is what one trial came to.
type Outcome struct {
	record.Trial
	Floor  *record.Floor // under this trial, where it moves from second to second: in place of the cell's
	Spans  []Span
	Stamps *Stamped        // of the trial beside this one in which stages noted each event
	Loads  []record.Load   // of a capacity, by rate,
	by     percentile      // what of each was held against the bound,
	beyond string          // and what became of what was more than that
	Placed []record.Placed // read back
	Slabs  []record.Slab

	interrupts []record.Interrupts
}

// Span is a distribution of latencies between two points of an event's way; it
// becomes a row of its own.
type Span struct {
	Name      string // received-stored
	Targets   []string
	Histogram *hdrhistogram.Histogram // ns

	// Undisturbed holds the events during whose life, from due to stored, no loop
	// was away; nil where the loops did not note their gaps.
	Undisturbed *hdrhistogram.Histogram

	// Of the whole way alone: when its first event was due, in ns of
	// CLOCK_MONOTONIC_RAW, its latencies over time from there, and single events.
	Began     int64
	Intervals []record.Interval
	Outliers  []record.Outlier
}

// Stamped is a trial in which every stage noted when it took each event. That
// makes all of them later, so that it is beside the trials whose latency counts
// and never among them.
type Stamped struct {
	Invalid    string
	Whole      *hdrhistogram.Histogram // ns from intended to stored
	Legs       []Leg                   // that it is the sum of, event by event
	Waterfalls []record.Waterfall
}

// Leg is one of the parts that a latency is the sum of, event by event.
type Leg struct {
	Name      string
	Part      string                  // of record.Distribution
	Histogram *hdrhistogram.Histogram // ns
}

func params(keysAndValues ...string) (list []record.Param) {
	for i := 0; i < len(keysAndValues); i += 2 {
		list = append(list, record.Param{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return list
}

func value(unit string, v float64) record.Value { return record.Value{Unit: unit, Value: v} }
