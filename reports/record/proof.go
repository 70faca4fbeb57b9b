package record

// Proof is what a gate's trial of itself came to.
type Proof struct {
	Schema  int      `json:"schema"`
	Build   Build    `json:"build"`
	Host    Host     `json:"host"`
	Fitness Fitness  `json:"fitness"`
	Seed    uint64   `json:"seed"`
	Blocks  int      `json:"blocks"` // of fresh processes, one of each kind
	Pairs   int      `json:"pairs"`  // of processes that each trial of the gate draws
	Trials  int      `json:"trials"` // for each figure
	Rules   []string `json:"rules"`  // as they were written

	FalseAlarms Rate       `json:"false_alarms"` // trials with nothing changed in which any row alarmed
	Power       []Power    `json:"power"`        // over all rows, by slowdown
	Rows        []ProofRow `json:"rows"`
	Missed      []string   `json:"missed,omitempty"` // targets, and by how much
}

// ProofRow is what the gate found of one row.
type ProofRow struct {
	Row    string  `json:"row"`
	Unit   string  `json:"unit"`
	Band   float64 `json:"band"`   // the host's own noise between two sides, as a share
	Alarms Rate    `json:"alarms"` // with nothing changed
	Power  []Power `json:"power"`  // by slowdown
}

// Power is how often a slowdown was found.
type Power struct {
	Slowdown float64 `json:"slowdown"` // asked for, as a share
	Measured float64 `json:"measured"` // what the median over all pairs says it was
	Found    Rate    `json:"found"`
}

// Rate is how often something happened, with its exact 95 % interval (Clopper
// and Pearson, 1934).
type Rate struct {
	Hits int     `json:"hits"`
	Of   int     `json:"of"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Share is the rate itself.
func (r Rate) Share() float64 {
	if r.Of == 0 {
		return 0
	}
	return float64(r.Hits) / float64(r.Of)
}
