package record

// Counter is what one performance counter counted on one thread during a trial.
type Counter struct {
	Thread string  `json:"thread"` // its role
	Name   string  `json:"name"`   // cycles, instructions, task-clock-ns ..
	Value  float64 `json:"value"`
	Share  float64 `json:"share"` // of the time in which it counted: under 1 Value is an estimate
}

// Counters says where the counters of a run come from.
type Counters struct {
	PMU     string   `json:"pmu"`               // what counts cycles; "" is none
	Missing []string `json:"missing,omitempty"` // what is not counted, why, and what would mend it
}

// Interrupts is how often one kind of interrupt came to one CPU during the
// trials of a row.
type Interrupts struct {
	CPU   int    `json:"cpu"`
	Name  string `json:"name"` // the device's, or the kernel's; of a softirq "softirq NAME"
	Count int64  `json:"count"`
}

// Outlier is one or more events in turn that took ten times the median of their
// trial or longer, for one cause.
type Outlier struct {
	Trial    int    `json:"trial"`  // from 1, of those that count
	At       int64  `json:"at_ns"`  // when the first was due, after the trial's first event
	Events   int    `json:"events"` // in turn
	Ns       int64  `json:"ns"`     // the longest
	Cause    string `json:"cause"`  // with the loop that it came to, or Unexplained
	Evidence string `json:"evidence,omitempty"`
}

// Undisturbed ends the name of a Distribution that holds, of those of the
// Distribution before it, the events during which no loop noted a gap of its own.
const Undisturbed = "-undisturbed"

// Stamped ends the name of a Distribution that holds the events of the trials in
// which every stage noted each: the whole that the row's parts are of. Those of the
// row's other trials are not among them. Older records had one kind of trial.
const Stamped = "-stamped"

// Units among what is noted of a trial: of a loop, what an operation took without
// the slices of the loop that were disturbed; and the share that was, of slices or
// of events.
const (
	UndisturbedOp  = "undisturbed-ns/op"
	DisturbedShare = "disturbed-share"
)

// Unexplained is the cause of an outlier for which nothing speaks.
const Unexplained = "unexplained"

// Blame is what one cause of outliers came to over a row's trials.
type Blame struct {
	Cause    string `json:"cause"`
	Outliers int    `json:"outliers"`
	Events   int    `json:"events"`
	Longest  int64  `json:"longest_ns"`
}

// Steadiness is how a row's figure went over its trials, in their order.
type Steadiness struct {
	Unit     string  `json:"unit"`
	WarmUp   int     `json:"warm_up"`         // trials before the first that counts: found, and left out
	Slope    float64 `json:"slope"`           // of the trials' figures, as a share of the median from the first to the last
	SlopeP   float64 `json:"slope_p"`         // chance of such a slope without one
	HalvesP  float64 `json:"halves_p"`        // chance of halves so far apart without a change
	Modes    []Mode  `json:"modes,omitempty"` // where the figures fall into groups
	Verdict  string  `json:"verdict"`         // in words: steady, or what it is not
	Unsteady bool    `json:"unsteady,omitempty"`
}

// Mode is a group of trials whose figures lie together, apart from the others.
type Mode struct {
	Center float64 `json:"center"`
	Trials int     `json:"trials"`
}
