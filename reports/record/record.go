// Package record is the schema of a run's results: what run.json holds.
//
// It takes the position that a figure without its spread, its floor and the
// state of the machine is not a result; so a Row keeps every trial, the floor
// measured beside it and the reasons for its verdicts. Values are raw integers
// and floats in base units (ns, events/s, B/s); formatting is for reports.
package record

import "time"

// Schema is the version of the form below. A reader takes its own and older ones.
const Schema = 1

// Run is one invocation of the harness.
type Run struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Command []string  `json:"command"`
	Seed    uint64    `json:"seed"`
	Quick   bool      `json:"quick"`
	Partial bool      `json:"partial,omitempty"` // interrupted: rows may be missing
	Turns   string    `json:"turns,omitempty"`   // what runs share that were measured in turns: when, by what seed, in which order
	Build   Build     `json:"build"`
	Host    Host      `json:"host"`
	Fitness Fitness   `json:"fitness"`
	Clock   Clock     `json:"clock"`
	Plan    []Placed  `json:"plan"`
	Rows    []Row     `json:"rows"`

	// Of the hardware, where it was measured.
	Matrices []Matrix `json:"matrices,omitempty"`
	Caches   []Sweep  `json:"caches,omitempty"`
	Strips   []Strip  `json:"strips,omitempty"`

	Senders  []Sender  `json:"senders,omitempty"` // where several hosts sent the load
	Profiles []Profile `json:"profiles,omitempty"`
	Counters *Counters `json:"counters,omitempty"` // where those of the trials come from
}

// Build says what was measured.
type Build struct {
	Go     string `json:"go"`
	Commit string `json:"commit"` // "unknown" outside a checkout
	Dirty  bool   `json:"dirty"`
}

// Host says where. Only what identifies the hardware stands here; what changes
// from minute to minute is in Fitness.
type Host struct {
	Name     string `json:"name"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernel   string `json:"kernel"`
	CPU      string `json:"cpu"`
	Online   []int  `json:"online"`
	Allowed  []int  `json:"allowed"`
	Nodes    int    `json:"nodes"`
	MemoryMB int    `json:"memory_mb"`
	Virtual  string `json:"virtual,omitempty"` // the hypervisor, "" on bare metal
}

// Fitness says whether the host could be trusted.
type Fitness struct {
	Verdict string  `json:"verdict"` // FIT, DEGRADED, UNFIT
	Checks  []Check `json:"checks"`
}

// Check is one fact of the host that bears on the figures.
type Check struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Source  string `json:"source"`
	Verdict string `json:"verdict"` // ok, warn, bad, unknown
	Why     string `json:"why,omitempty"`
	Mend    string `json:"mend,omitempty"`
	Undo    string `json:"undo,omitempty"`
}

// Clock is the ruler and how it was checked, before and after.
type Clock struct {
	Hz           float64 `json:"hz"`
	Agreement    float64 `json:"agreement"`     // of two calibrations, relative
	ReadNs       float64 `json:"read_ns"`       // an unfenced read's cost
	FencedNs     float64 `json:"fenced_ns"`     // a fenced pair's cost
	ResolutionNs float64 `json:"resolution_ns"` // the smallest step seen
	GHzBefore    float64 `json:"ghz_before"`    // effective, by a chain of additions
	GHzAfter     float64 `json:"ghz_after"`
	DriftPpm     float64 `json:"drift_ppm"` // counter against CLOCK_MONOTONIC_RAW over the run
}

// Placed is a thread of the run and where it was found to run: read back, not
// only asked for.
type Placed struct {
	Role    string `json:"role"` // RuntimeRole, or what the thread was for
	CPU     int    `json:"cpu"`
	Allowed []int  `json:"allowed"`
	Ran     *int   `json:"ran,omitempty"` // CPU that it ran on last; nil is unknown
}

// Slab is memory of events and the NUMA nodes that its pages were found on.
type Slab struct {
	Name  string      `json:"name"`
	Node  *int        `json:"node,omitempty"` // that it was to be on; nil is any
	Pages []NodePages `json:"pages"`
}

// NodePages is how many pages of a Slab are on one node. Node -1 has those that
// nobody has touched yet.
type NodePages struct {
	Node  int `json:"node"`
	Pages int `json:"pages"`
}

// RuntimeRole is the role of threads of the Go runtime: they are placed too, but
// how many there are and where is no part of the plan.
const RuntimeRole = "runtime"

// Row is one cell of one workload: every trial of it, and what they came to.
type Row struct {
	Workload      string         `json:"workload"`
	Params        []Param        `json:"params,omitempty"` // in the order of the benchmark's name
	Procs         int            `json:"procs"`            // threads at work: the -P suffix
	Trials        []Trial        `json:"trials"`
	Floor         *Floor         `json:"floor,omitempty"`
	FloorUnit     string         `json:"floor_unit,omitempty"` // the unit of Trials that stands over the floor
	Distributions []Distribution `json:"distributions,omitempty"`
	Judgements    []Judgement    `json:"judgements,omitempty"`
	Placed        []Placed       `json:"placed,omitempty"`
	Slabs         []Slab         `json:"slabs,omitempty"`
	Skipped       string         `json:"skipped,omitempty"` // why it was not measured
	// Oversubscribed says that more threads spun than CPUs were usable, "3
	// spinning threads on 2 CPUs": such a row is shown, never judged.
	Oversubscribed string   `json:"oversubscribed,omitempty"`
	Notes          []string `json:"notes,omitempty"`

	// What some workloads add: how a cell went over time, where an event spent
	// its time, and what came of each offered rate.
	Intervals  []Interval  `json:"intervals,omitempty"`
	Waterfalls []Waterfall `json:"waterfalls,omitempty"`
	Loads      []Load      `json:"loads,omitempty"`

	// What disturbed it: the time that each loop lost during the trials, the
	// outliers, longest first, and all of them by cause; interrupts; and whether
	// the figure stood still.
	Strips     []Strip      `json:"strips,omitempty"`
	Outliers   []Outlier    `json:"outliers,omitempty"`
	Blames     []Blame      `json:"blames,omitempty"`
	Interrupts []Interrupts `json:"interrupts,omitempty"`
	Steadiness *Steadiness  `json:"steadiness,omitempty"`
}

// Param is one key=value of the cell.
type Param struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Trial is one run of the cell; one line of bench.txt.
type Trial struct {
	N       int64   `json:"n"` // operations or events that succeeded
	Values  []Value `json:"values"`
	Invalid string  `json:"invalid,omitempty"` // why it does not count: kept, never averaged in
	Noise   []Value `json:"noise,omitempty"`   // deltas around it: switches, faults, steal_ticks, gc
	// Encoded is the histogram that its percentiles come from, where it has them:
	// HdrHistogram V2, compressed, base64. With it they can be checked.
	Encoded string `json:"encoded,omitempty"`
	// Process tells the fresh processes of a run apart, from 1; 0 where one
	// measured all of it. Trials of one process share its luck with addresses and
	// pages, so that together they count once: Row.Counted.
	Process  int       `json:"process,omitempty"`
	Counters []Counter `json:"counters,omitempty"` // performance counters of its threads
	State    string    `json:"state,omitempty"`    // of an engine at full rate: the worst pressure state that was judged
}

// Value is a figure and its unit, in the benchmark format's form: ns/op,
// p99-ns, events/s, B/s.
type Value struct {
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

// Floor is a physical cost, measured in the same run, under which a stage
// cannot fall.
type Floor struct {
	Name string  `json:"name"`
	Ns   float64 `json:"ns"`
	Low  float64 `json:"low"` // 95 % interval of the median
	High float64 `json:"high"`
	N    int     `json:"n"`
	How  string  `json:"how"`
}

// Distribution is the latencies of a cell, all valid trials merged. A
// percentile with too few samples behind it is absent, not guessed.
type Distribution struct {
	Name        string       `json:"name"`           // received-stored, say
	Part        string       `json:"part,omitempty"` // of the whole way, that is the Stamped or else the row's first: Leg, or of a leg Wait or Work
	Count       int64        `json:"count"`
	Min         int64        `json:"min_ns"`
	Max         int64        `json:"max_ns"`
	Mean        float64      `json:"mean_ns"`
	Percentiles []Percentile `json:"percentiles"`
	File        string       `json:"file"`    // the .hgrm beside run.json
	Encoded     string       `json:"encoded"` // HdrHistogram V2, compressed, base64
}

// The legs of a way sum to the whole of it, event by event: how late the sender
// was, what came before the engine had the event, and these two, of which each is
// the sum of its own parts.
const (
	Leg          = "leg"
	QueueWaits   = "queue waits"   // of the Wait
	ServiceTimes = "service times" // of the Work
)

// Percentile is one quantile of a Distribution.
type Percentile struct {
	Percent float64 `json:"percent"`
	Ns      int64   `json:"ns"`
}

// Judgement is a target held against a row.
type Judgement struct {
	Target  string   `json:"target"` // its id in MEASURING.md's table: spsc, e2e, ..
	What    string   `json:"what"`
	Unit    string   `json:"unit"`
	Bound   float64  `json:"bound"`
	AtLeast bool     `json:"at_least,omitempty"` // a rate: more is better
	Center  float64  `json:"center"`             // the median of the trials
	Low     float64  `json:"low"`                // its 95 % interval; 0 and 0 where N is too small for one
	High    float64  `json:"high"`
	N       int      `json:"n"`
	Floor   *Floor   `json:"floor,omitempty"`
	XFloor  float64  `json:"x_floor,omitempty"` // Center over the floor
	Verdict string   `json:"verdict"`           // PASS, FAIL, INCONCLUSIVE, NOT MEASURED
	Reasons []string `json:"reasons,omitempty"`
}

// Verdicts of a Judgement.
const (
	Pass         = "PASS"
	Fail         = "FAIL"
	Inconclusive = "INCONCLUSIVE"
	NotMeasured  = "NOT MEASURED"
)

// Verdicts of a Fitness.
const (
	Fit      = "FIT"
	Degraded = "DEGRADED"
	Unfit    = "UNFIT"
)

// Verdicts of a Check.
const (
	OK      = "ok"
	Warn    = "warn"
	Bad     = "bad"
	Unknown = "unknown" // it could not be read: never taken for ok
)

// ForeignLoad is the Check of who else runs on the CPUs: of all, the one that says
// how it was in that moment, and of two sides in turns the same of both.
const ForeignLoad = "foreign load"
