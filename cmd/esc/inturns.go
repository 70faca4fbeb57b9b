package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"eventstreamcore/probes/topology"
	"eventstreamcore/workloads"
)

// A process that measures in turns prints its cells, then answers each order on its
// stdin before it reads the next; until then it does nothing, and needs no CPU. When
// its stdin ends it prints the run. Orders, cells, answers and the run are lines of JSON.

// cellNames is what a process in turns prints first.
type cellNames struct {
	Cells []string `json:"cells"`
}

// order is what it is to do next.
type order struct {
	Do   string `json:"do"`
	Cell int    `json:"cell"` // its place among the cells
}

// What an order can be.
const (
	doLook  = "look"  // how fit the host is, and what the floors are of cells opened from here on
	doOpen  = "open"  // a cell
	doTrial = "trial" // of an open cell
	doClose = "close" // it again
)

// answer says that an order was obeyed.
type answer struct {
	Trials int `json:"trials,omitempty"` // that an opened cell wants; 0: it is skipped
}

// benchInTurns measures by order.
func benchInTurns(c *cobra.Command, f benchFlags, b *workloads.Bench, machine *topology.Topology, chosen []workloads.Workload) (err error) {
	run, ruler, clean, err := begin(f, b, machine, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clean()) }()
	t := b.Turns(chosen)
	out := json.NewEncoder(c.OutOrStdout())
	if err := out.Encode(cellNames{t.Cells()}); err != nil {
		return err
	}
	for in := json.NewDecoder(c.InOrStdin()); ; {
		var o order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return usage("an order to measure: %v", err)
		}
		if o.Do == doLook {
			look(&run, f, b, machine)
			t.Floors = true
		}
		a, err := obey(t, o)
		if err != nil {
			return exit(exitUnmeasured, err)
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	run.Rows = t.End()
	finish(&run, &ruler, b)
	return out.Encode(run)
}

// obey does what is asked of a cell.
func obey(t *workloads.Turns, o order) (a answer, err error) {
	if o.Cell < 0 || o.Cell >= len(t.Cells()) {
		return a, fmt.Errorf("cell %d of %d", o.Cell, len(t.Cells()))
	}
	switch o.Do {
	case doLook:
	case doOpen:
		a.Trials, err = t.Open(o.Cell)
	case doTrial:
		err = t.Trial(o.Cell)
	case doClose:
		err = t.Close(o.Cell)
	default:
		err = fmt.Errorf("%q is no order", o.Do)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", t.Cells()[o.Cell], err)
	}
	return a, err
}
