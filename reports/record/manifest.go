package record

import "time"

// Manifest is what manifest.json holds: the facts that change from run to run
// and so may not stand in bench.txt, and the checksum of every other file of
// the folder. The checksums show inconsistency, not forgery.
type Manifest struct {
	Schema  int               `json:"schema"`
	Started time.Time         `json:"started"`
	Ended   time.Time         `json:"ended"`
	Command []string          `json:"command"`
	Seed    uint64            `json:"seed"`
	Build   Build             `json:"build"`
	Host    string            `json:"host"`
	Kernel  string            `json:"kernel"`
	Fitness string            `json:"fitness"` // the verdict; the checks are in run.json
	Partial bool              `json:"partial,omitempty"`
	Files   map[string]string `json:"files"` // path within the folder -> SHA-256, hexadecimal
}
