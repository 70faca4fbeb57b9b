package engine

import (
	"errors"
	"fmt"
	"sync/atomic"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/topic"
)

// Inputs are the ways in. Each has a pool of slots of its own, 81 MiB by default.
type Inputs struct {
	TCP   ingest.Config    // where to take frames, and what a client may do; without Address nowhere
	UDP   ingest.Datagrams // and where datagrams, which may be lost: beside TCP only; without Address nowhere
	Files []ingest.Input   // each read by a thread of its own; up to 8

	// Topics is the table in force, or nil for none. Whoever holds the pointer may
	// put another table in at any time.
	Topics *atomic.Pointer[topic.Table]

	// Publishers is how many goroutines may publish at once: 0 to 32, default 1,
	// which Publish uses.
	Publishers int
	Feeds      []Feed
}

// Feed makes a worker that runs on the ingest thread and publishes from there:
// a source of events that polls, as TCP does.
type Feed func(*ingest.Publisher) duty.Worker

// Limits that leave room in a Ref's pool number for all ways in.
const (
	publishersMax = 32
	filesMax      = 8
)

func defaultInputs() Inputs {
	return Inputs{TCP: ingest.Default("", cpu.Clock{}), UDP: ingest.DefaultDatagrams(""), Publishers: 1}
}

func (in *Inputs) validate() error {
	switch {
	case in.Publishers < 0 || in.Publishers > publishersMax:
		return fmt.Errorf("publishers: %d must be 0 to %d", in.Publishers, publishersMax)
	case len(in.Files) > filesMax:
		return fmt.Errorf("input files: %d, must be at most %d", len(in.Files), filesMax)
	case in.UDP.Address != "" && in.TCP.Address == "":
		return errors.New("UDP port: there is no TCP port beside it, whose worker reads both: give one an address")
	}
	return in.UDP.Validate()
}

// ways is how many ways in there are.
func (in *Inputs) ways() (n int) {
	n = in.Publishers + len(in.Feeds) + len(in.Files)
	if in.TCP.Address != "" || n == 0 {
		n++
	}
	if in.UDP.Address != "" {
		n++
	}
	return n
}

// house is the memory for what the engine makes itself.
func (e *Engine) house() int {
	if e.cfg.Windows.Span == 0 {
		return 0
	}
	classes := houseClasses()
	return classes.Bytes()
}
