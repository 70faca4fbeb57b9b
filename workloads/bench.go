package workloads

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// Bench is the setting that all workloads of a run share.
type Bench struct {
	Clock    cpu.Clock
	Fitness  record.Fitness
	Allowed  []int         // CPUs this process may pin threads to, ascending
	Isolated []int         // those the scheduler leaves alone, where nothing unpinned belongs
	Pairs    []Pair        // of them, by relation: the first is the planned one
	Set      Settings      // restricts the cells
	Hot      int           // CPU of the measured thread, in the cell under way
	Peer     int           // CPU of the second thread; Hot where there is but one
	Trials   int           // kept of each cell
	Time     time.Duration // one trial's length, roughly
	Scratch  string        // folder for logs under test, on tmpfs
	Disk     string        // folder on the disk of the results
	Self     string        // this binary, for workloads that need another process
	Seed     uint64
	Random   *rand.Rand
	Trace    drive.Trace // to be replayed by the open loops; nil: no replay
	Log      io.Writer   // progress, written between measurements only

	// Profile is how long each cell is profiled after its trials; 0: not at all.
	Profile  time.Duration
	Profiles []record.Profile // of the cells until now

	// Slowdown is a share by which amortised operations are made slower, for a
	// gate that is to find it; 0 in every other run.
	Slowdown float64

	unstamped    bool  // no trials with stamps beside the others
	inTurns      bool  // with other processes, on the same CPUs
	others       []int // CPUs of the plan's threads
	housekeeping []int // CPUs that the plan keeps for what does not spin
	node         int   // whose memory events take, or -1
	guest        bool
	continued    func() []cpu.Ticks // of the process, while it measures

	progress progress
	present  present
	counting counting
}

// present is what belongs to the cell under way.
type present struct {
	rigs   []*rig          // its engines
	found  []record.Placed // where the threads of the last trial were
	warmUp int             // trials that came before those that count
}

// Settle prepares the process for measuring: the collector is off, and there are
// scheduler slots for two threads that spin, as the machine's own probes have.
func (b *Bench) Settle() {
	b.use(b.Pairs[0])
	b.guest = isGuest()
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(2 + 2)
}

func (b *Bench) use(p Pair) { b.Hot, b.Peer, b.node = p.Hot, p.Peer, p.Node }

// confine keeps the runtime's threads off the CPUs that a cell spins on. Where
// no other CPU is left they may run on all: a pinned goroutine that the runtime
// pre-empts goes on only after one of them has run, so that keeping them to a
// CPU where something spins would cost a time slice, some milliseconds, each time.
//
// There are two more scheduler slots than threads that spin.
func (b *Bench) confine(threads int) error {
	runtime.GOMAXPROCS(threads + 2)
	rest := b.rest(threads)
	if err := cpu.Confine(nil, rest...); err != nil {
		return fmt.Errorf("confining the runtime's threads to CPUs %v: %w", rest, err)
	}
	return nil
}

// rest is the CPUs for what does not spin: those that the plan keeps for it, or
// where it keeps none all that the scheduler has, without those that are spun on.
func (b *Bench) rest(threads int) []int {
	spun := b.crew(threads)
	for _, cpus := range [][]int{b.housekeeping, b.Allowed} {
		free := slices.DeleteFunc(slices.Clone(cpus), func(c int) bool {
			return slices.Contains(spun, c) || slices.Contains(b.Isolated, c)
		})
		if len(free) > 0 {
			return free
		}
	}
	return b.Allowed
}

// Measure runs the workloads. It stops between two trials when stopped says so,
// and returns the rows that were measured until then.
func (b *Bench) Measure(chosen []Workload, stopped func() bool) (rows []record.Row, err error) {
	type job struct {
		workload string
		cell     Cell
	}
	var jobs []job
	for _, w := range chosen {
		for _, c := range w.Cells(b) {
			jobs = append(jobs, job{w.Name, c})
		}
	}
	b.progress = progress{cells: len(jobs), began: time.Now()}
	continued, unwatch := probes.WatchContinues()
	defer unwatch()
	b.continued = continued
	for _, j := range jobs {
		if stopped() {
			break
		}
		b.progress.next(b.Log, title(j.workload, j.cell))
		measured, err := b.cell(j.workload, j.cell, stopped)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", title(j.workload, j.cell), err)
		}
		rows = append(rows, measured...)
	}
	return rows, nil
}

// suspects are asked for the cause of what a loop lost.
func (b *Bench) suspects() suspects { return suspects{b.Clock, b.guest, b.continued} }

// title names a cell as bench.txt does.
func title(workload string, c Cell) string {
	var s strings.Builder
	s.WriteString(workload)
	for _, p := range c.Params {
		fmt.Fprintf(&s, "/%s=%s", p.Key, p.Value)
	}
	return s.String()
}

// progress is how far a run is.
type progress struct {
	cells, begun int
	began        time.Time
}

// next says what comes next, how far the run is and when it will be over.
func (p *progress) next(w io.Writer, name string) {
	eta := "?"
	if done := p.begun; done > 0 {
		left := time.Since(p.began) / time.Duration(done) * time.Duration(p.cells-done)
		eta = left.Round(time.Second).String()
	}
	p.begun++
	fmt.Fprintf(w, "[%2d/%d, %s left] %s\n", p.begun, p.cells, eta, name)
}

// cell measures one cell: its floor, a warm-up, its trials.
func (b *Bench) cell(workload string, c Cell, stopped func() bool) ([]record.Row, error) {
	if c.pair != (Pair{}) {
		b.use(c.pair)
		defer b.use(b.Pairs[0])
	}
	row, err := b.prepare(workload, c)
	if err != nil || row.Skipped != "" {
		return []record.Row{row}, err
	}
	outcomes, err := b.trials(title(workload, c), c, b.kept(c), stopped)
	if err != nil {
		return nil, err
	}
	if c.Threads > 1 && row.Floor != nil && !stopped() {
		if after, err := c.Floor(b); err == nil { // what it was before stands anyway
			row.Notes = append(row.Notes, floorMoved(row.Floor.Ns, after.Ns)...)
		}
	}
	return b.rows(row, c, outcomes), nil
}

// prepare is the row of a cell, with its floor, before any trial of it: one that
// cannot be measured here says why it is skipped.
func (b *Bench) prepare(workload string, c Cell) (row record.Row, err error) {
	row = record.Row{Workload: workload, Params: c.Params, Procs: c.Threads, FloorUnit: c.FloorUnit}
	if c.Needs > len(b.Allowed) {
		row.Skipped = fmt.Sprintf("needs %d CPUs, this process may use %d", c.Needs, len(b.Allowed))
		b.judge(&row, c.Targets)
		return row, nil
	}
	if c.Threads > len(b.Allowed) {
		row.Oversubscribed = fmt.Sprintf("%d spinning threads on %d CPUs", c.Threads, len(b.Allowed))
	}
	if err := b.confine(c.Threads); err != nil {
		return row, err
	}
	if c.Floor != nil {
		floor, err := c.Floor(b)
		if err != nil {
			row.Notes = append(row.Notes, fmt.Sprintf("floor not measured: %v", err))
		} else {
			row.Floor = &floor
		}
	}
	return row, nil
}

// trials opens a cell, warms it up and keeps so many trials of it.
func (b *Bench) trials(name string, c Cell, wanted int, stopped func() bool) (outcomes []Outcome, err error) {
	b.present.rigs = nil
	trial, err := c.Open(b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, trial.Close()) }()
	warm := 1 // found once there are trials enough
	for len(outcomes) < warm+wanted && !stopped() {
		runtime.GC() // between trials, for it is off during them
		before := b.watch()
		out, err := trial.Run()
		if err != nil {
			return nil, err
		}
		if err := b.witness(&out, before); err != nil {
			return nil, err
		}
		if trial.Stamps != nil && !b.unstamped && len(outcomes)%min(stampsEvery, wanted) == 0 {
			stamped, err := trial.Stamps()
			if err != nil {
				return nil, err
			}
			out.Stamps = &stamped
		}
		if outcomes = append(outcomes, out); len(outcomes) == 1+wanted {
			warm = unsettled(outcomes)
		}
	}
	b.present.warmUp = warm
	kept := outcomes[min(warm, len(outcomes)):]
	if b.Profile > 0 && !stopped() {
		return kept, b.profile(name, trial, stopped)
	}
	return kept, nil
}

// stampsEvery is beside which trials of an open loop stands one with stamps: the
// first of so many, so that there is one among those kept, however many they are.
const stampsEvery = 4

// trialsLeast is how many trials a cell has that takes long: fewer than give an
// interval are a figure all the same.
const trialsLeast = 1

// kept is how many trials of the cell are kept.
func (b *Bench) kept(c Cell) int {
	return max(b.Trials/max(c.Rare, 1), min(b.Trials, trialsLeast))
}

// Placed is where this run's own threads are: the measured ones by their role,
// and those of the runtime as they are found now.
func (b *Bench) Placed() []record.Placed {
	placed := []record.Placed{{Role: "hot", CPU: b.Hot, Allowed: []int{b.Hot}}, {Role: "peer", CPU: b.Peer, Allowed: []int{b.Peer}}}
	found, err := probes.ReadPlacement(nil)
	if err != nil {
		return placed
	}
	for _, t := range found.Threads {
		runs := record.Placed{Role: record.RuntimeRole, CPU: t.Allowed[0], Allowed: t.Allowed}
		if t.CPU >= 0 {
			runs.Ran = &t.CPU
		}
		placed = append(placed, runs)
	}
	return placed
}

// List writes the workloads with their cells.
func List(w io.Writer, b *Bench, chosen []Workload) error {
	for _, workload := range chosen {
		about := workload.About
		if workload.Apart {
			about += " (minutes: only with --run " + workload.Name + ")"
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", workload.Name, about); err != nil {
			return err
		}
		for _, c := range workload.Cells(b) {
			if _, err := fmt.Fprintf(w, "  %s\n", title(workload.Name, c)); err != nil {
				return err
			}
		}
	}
	return nil
}
