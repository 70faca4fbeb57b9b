package record

// Sender is a host that sent a part of a load, where several did together.
type Sender struct {
	Agent      string `json:"agent"`                 // HOST:PORT where it took its orders
	Target     string `json:"target"`                // where it sent to
	Host       Host   `json:"host"`                  // as it knows itself
	Fitness    string `json:"fitness"`               // its verdict; its checks stand among the run's
	OffsetNs   int64  `json:"offset_ns"`             // of its CLOCK_MONOTONIC_RAW ahead of the commander's
	BoundNs    int64  `json:"bound_ns"`              // by how much that may be wrong, at the most, in any trial
	ResidualNs int64  `json:"residual_ns"`           // by how much its own counter was off its clock, at the most
	Lost       string `json:"lost_reason,omitempty"` // why it did not stay to the end
}
