package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"

	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// contest is one thing that the engine does, and who else does it.
type contest struct {
	cell  string // the engine's, as esc bench --list names it
	peers []peer
}

// peer does what a cell of the engine does by other means.
type peer struct {
	impl string
	open func(b *workloads.Bench) (workloads.Trial, error)
}

// ours is the engine's own name among the contestants.
const ours = "ours"

var all = []contest{
	{"spsc/mode=pair", []peer{
		alone("chan", chanPair), alone("mutex", mutexPair), alone("xsync-spsc", xsyncSPSCPair), alone("diode-one-to-one", oneToOnePair),
	}},
	{"spsc/mode=cross/batch=1", []peer{
		across("chan", newChannel), across("mutex", newLocked), across("xsync-spsc", newXsyncSPSC),
	}},
	{"mpsc/mode=pair", []peer{
		alone("chan", chanPair), alone("mutex", mutexPair), alone("xsync-mpmc", xsyncMPMCPair), alone("xsync-umpsc", xsyncUMPSCPair), alone("diode-many-to-one", manyToOnePair),
	}},
	{"mpsc/mode=cross/batch=1", []peer{
		across("chan", newChannel), across("mutex", newLocked), across("xsync-mpmc", newXsyncMPMC), across("xsync-umpsc", newXsyncUMPSC),
	}},
	{"pool/op=acquire-release", []peer{alone("sync-pool", syncPool), alone("heap", heap)}},
	{"dedup/op=lookup/set=256KiB/batch=1", []peer{alone("sync-map", syncMapLookups), alone("mutex-map", mutexMapLookups)}},
	{"dedup/op=insert/set=256KiB/batch=1", []peer{alone("sync-map", syncMapInserts), alone("mutex-map", mutexMapInserts)}},
	{"pipeline/plan=fused/load=closed", []peer{{"nats-in-process", natsInProcess}}},
}

// alone is a peer of an amortised operation on one thread.
func alone(impl string, run func() func(n int) int) peer {
	return peer{impl, func(b *workloads.Bench) (workloads.Trial, error) { return workloads.Amortised(b, 1, run()), nil }}
}

// across is a peer of a queue from one CPU to another.
func across(impl string, queue func() workloads.Ring) peer {
	return peer{impl, func(b *workloads.Bench) (workloads.Trial, error) { return workloads.Crossing(b, queue(), 1), nil }}
}

// contests runs those whose name matches.
func contests(b *workloads.Bench, name *regexp.Regexp, stopped func() bool, log io.Writer) (rows []record.Row, err error) {
	chosen := slices.DeleteFunc(slices.Clone(all), func(c contest) bool { return !name.MatchString(c.cell) })
	if len(chosen) == 0 {
		return nil, fmt.Errorf("--run %q matches no contest", name)
	}
	for i, c := range chosen {
		if stopped() {
			break
		}
		fmt.Fprintf(log, "[%d/%d] %s\n", i+1, len(chosen), c.cell)
		workload, cells, err := c.contestants(b)
		if err != nil {
			return rows, err
		}
		found, err := b.Contest(workload, cells, stopped)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", c.cell, err)
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// contestants are the engine's cell, first, and those of its peers: the same
// parameters, threads and floor.
func (c contest) contestants(b *workloads.Bench) (workload string, cells []workloads.Cell, err error) {
	found, err := workloads.Select(b, regexp.MustCompile("^"+regexp.QuoteMeta(c.cell)+"$"))
	if err != nil || len(found) != 1 {
		return "", nil, fmt.Errorf("the engine has no cell %s (%w)", c.cell, err)
	}
	own := found[0].Cells(b)[0]
	cells = append(cells, own.With("impl", ours))
	for _, p := range c.peers {
		cell := own.With("impl", p.impl)
		cell.Open = p.open
		cells = append(cells, cell)
	}
	return found[0].Name, cells, nil
}
