package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

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

// inTurns measures by the orders that come in.
func (m *measurement) inTurns(in io.Reader, out io.Writer) (err error) {
	clean, err := m.begin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clean()) }()
	t := m.bench.Turns(m.chosen)
	answers := json.NewEncoder(out)
	if err := answers.Encode(cellNames{t.Cells()}); err != nil {
		return err
	}
	for orders := json.NewDecoder(in); ; {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return usage("an order to measure: %v", err)
		}
		if o.Do == doLook {
			m.look()
			t.Floors = true
		}
		a, err := obey(t, o)
		if err != nil {
			return exit(exitUnmeasured, err)
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
	m.run.Rows = t.End()
	m.finish()
	return answers.Encode(m.run)
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
