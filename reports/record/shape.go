package record

// Matrix is one figure for each pair of places: what a hand-off costs between
// two CPUs, or an access from one node to the memory of another.
type Matrix struct {
	Name    string   `json:"name"` // core-to-core one way
	Unit    string   `json:"unit"` // ns
	From    string   `json:"from"` // what the rows are: CPU, node
	To      string   `json:"to"`   // what the columns are
	Rows    []string `json:"rows"`
	Columns []string `json:"columns"`
	// Values are by row, then column; a null was not measured, the diagonal of a
	// core-to-core matrix for example.
	Values [][]*float64 `json:"values"`
	How    string       `json:"how,omitempty"`
}

// At is the value of a row and a column, nil where it was not measured.
func (m Matrix) At(row, column int) *float64 {
	if row >= len(m.Values) || column >= len(m.Values[row]) {
		return nil
	}
	return m.Values[row][column]
}

// Sweep is a figure over working sets: the cost of an access as caches overflow.
type Sweep struct {
	Name   string      `json:"name"` // random access, one dependent load
	Unit   string      `json:"unit"` // ns
	Points []SweepAt   `json:"points"`
	Levels []CacheSize `json:"levels,omitempty"`
	How    string      `json:"how,omitempty"`
}

// SweepAt is one working set of a Sweep.
type SweepAt struct {
	Bytes int64   `json:"bytes"`
	Value float64 `json:"value"`
	Low   float64 `json:"low,omitempty"` // 95 % interval, where there is one
	High  float64 `json:"high,omitempty"`
}

// CacheSize is a cache that a Sweep runs over.
type CacheSize struct {
	Name  string `json:"name"` // L1d, L2, L3
	Bytes int64  `json:"bytes"`
}

// Strip is what a spinning thread noticed of the time it lost.
type Strip struct {
	Name  string `json:"name"` // the thread's role
	CPU   int    `json:"cpu"`
	Ns    int64  `json:"ns"` // how long it was watched
	Gaps  []Gap  `json:"gaps"`
	Count int64  `json:"count"`   // of all gaps: Gaps may hold only the longest
	Lost  int64  `json:"lost_ns"` // by all of them
}

// Gap is a time in which a loop that should have turned did not.
type Gap struct {
	At    int64  `json:"at_ns"` // after the start
	Ns    int64  `json:"ns"`
	Cause string `json:"cause"` // steal, interrupt, switch .. or unexplained
}

// Interval is the latencies of a slice of a cell's time: latency over time, and
// a line of the .hlog.
type Interval struct {
	Name    string `json:"name"`     // the Distribution that it is a part of
	StartNs int64  `json:"start_ns"` // after the cell's first intended event
	Ns      int64  `json:"ns"`       // its length
	Count   int64  `json:"count"`
	P50     int64  `json:"p50_ns,omitempty"` // 0 where Count does not bear it out
	P99     int64  `json:"p99_ns,omitempty"`
	Max     int64  `json:"max_ns"`
	State   string `json:"state,omitempty"`   // of the control plane, the worst within
	Encoded string `json:"encoded,omitempty"` // HdrHistogram V2, compressed, base64
}

// Waterfall is where one event spent its time. Spans sum to the whole.
type Waterfall struct {
	Name  string `json:"name"`               // typical, p99.9
	Whole int64  `json:"whole_ns,omitempty"` // 0 in records that did not keep it beside the sum
	Spans []Span `json:"spans"`
}

// Ns is the whole.
func (w Waterfall) Ns() (ns int64) {
	for _, s := range w.Spans {
		ns += s.Ns
	}
	return ns
}

// Span is a part of an event's way: a wait in a queue or a stage's work.
type Span struct {
	Stage string `json:"stage"`
	Kind  string `json:"kind"` // wait or work
	Ns    int64  `json:"ns"`
}

// Kinds of a Span.
const (
	Wait = "wait"
	Work = "work"
)

// Load is what came of one offered rate: a point of the throughput-latency curve.
type Load struct {
	Offered   float64 `json:"offered_per_s"`
	Achieved  float64 `json:"achieved_per_s"`
	P50       int64   `json:"p50_ns"`
	P99       int64   `json:"p99_ns,omitempty"`
	P999      int64   `json:"p999_ns,omitempty"`
	CalmP99   int64   `json:"undisturbed_p99_ns,omitempty"` // of the events during which no loop was away; shown, never judged
	Lost      int64   `json:"lost,omitempty"`               // that the kernel dropped, or the engine gave up on, in all trials
	LostShare float64 `json:"lost_share,omitempty"`         // of what was sent in them
	State     string  `json:"state,omitempty"`              // the worst pressure state reached; "" where none was judged
	Knee      bool    `json:"knee,omitempty"`               // the highest rate that kept its SLA
	Broken    string  `json:"broken,omitempty"`             // in which way it did not keep it
	Invalid   string  `json:"invalid,omitempty"`            // why it does not count
}

// InFull reports whether the rate was taken, but for a share of it.
func (l Load) InFull(slack float64) bool { return l.Achieved >= (1-slack)*l.Offered }

// Profile is where the CPU time of a cell went: of repetitions that are in no
// figure.
type Profile struct {
	Cell  string `json:"cell"` // workload/key=value/..
	Ns    int64  `json:"ns"`   // how long
	File  string `json:"file"` // beside run.json, in pprof's format
	Bytes []byte `json:"-"`    // what the file is to hold, until it is written
}
