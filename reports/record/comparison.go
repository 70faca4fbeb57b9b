package record

// Comparison is two sets of results set against each other.
type Comparison struct {
	Schema  int      `json:"schema"`
	Old     string   `json:"old"` // where they came from
	New     string   `json:"new"`
	Alpha   float64  `json:"alpha"` // of the whole family of tests, kept by Holm's method
	Changes []Change `json:"changes"`
	Missing []string `json:"missing,omitempty"` // rows that only Old has
	Added   []string `json:"added,omitempty"`   // rows that only New has
	// Across says that the hardware differs: only multiples of a floor were
	// compared, and how it differs.
	Across   []string `json:"across,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// Change is one row in one unit, before and after.
type Change struct {
	Row      string  `json:"row"`
	Unit     string  `json:"unit"`
	Old      Center  `json:"old"`
	New      Center  `json:"new"`
	Ratio    float64 `json:"ratio"`     // New over Old, of the medians; of pairs by Hodges and Lehmann
	RatioLow float64 `json:"ratio_low"` // 95 %, resampled by run; of pairs by their signed ranks
	RatioHi  float64 `json:"ratio_high"`
	Pairs    int     `json:"pairs,omitempty"` // of processes that took turns; 0: the sides know nothing of each other
	P        float64 `json:"p"`               // two-sided, Mann-Whitney; of pairs Wilcoxon's signed ranks
	PHolm    float64 `json:"p_holm"`          // the same, adjusted for the number of tests
	// Direction is what the change means: better, worse, or same when it is not
	// significant; INCONCLUSIVE when it is, and may be the host's as well.
	Direction string   `json:"direction"`
	Warnings  []string `json:"warnings,omitempty"`
}

// Center is the median of one side's trials. Low and High, its 95 % interval,
// are 0 where N is too small for one.
type Center struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	N     int     `json:"n"`
}

// Directions of a Change.
const (
	Better = "better"
	Worse  = "worse"
	Same   = "same"
)

// Gated is what a gate came to.
type Gated struct {
	Schema   int       `json:"schema"`
	Verdict  string    `json:"verdict"` // PASS, FAIL, INCONCLUSIVE, NOT MEASURED; UNFIT where the host is
	Findings []Finding `json:"findings"`
	Reasons  []string  `json:"reasons,omitempty"`
}

// Finding is one rule held against one row.
type Finding struct {
	Rule    string `json:"rule"` // as it was written
	Row     string `json:"row"`
	Unit    string `json:"unit"`
	Verdict string `json:"verdict"`
	// Relative says that the rule is about a change and needs confirmation; its
	// figures are shares by which the row is worse.
	Relative bool     `json:"relative,omitempty"`
	Value    float64  `json:"value"`            // the new median, or the share
	Low      float64  `json:"low,omitempty"`    // 95 % interval of Value
	High     float64  `json:"high,omitempty"`   //
	Allowed  float64  `json:"allowed"`          // the bound, or the larger of threshold and noise band
	Band     float64  `json:"band,omitempty"`   // the host's own noise, as a share, of a relative rule
	PHolm    float64  `json:"p_holm,omitempty"` // of a relative rule
	Reasons  []string `json:"reasons,omitempty"`
}
