package workloads

import (
	"errors"
	"runtime"
	"time"

	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// Turns measures cells trial by trial, as it is told, so that other processes can
// have their turns in between: a host that slows down for a second then slows all of
// them. A cell that is still between its trials stays open from Open to Close. One
// that is not, an engine whose threads spin, is opened anew for each trial, for it
// would run in the others' turns.
type Turns struct {
	Floors bool // measured as a cell is opened, which takes longer than opening it

	bench   *Bench
	cells   []turnCell
	unwatch func()
}

type turnCell struct {
	workload string
	cell     Cell
	row      record.Row
	open     []Trial // of a cell that is still, while it is open
	before   watch   // it was opened
	outcomes []Outcome
}

// turnTime is how long a trial of a still cell is: so short that the one before it
// and the one after it find the host as it does, and that most are missed by its gaps;
// ten times what waking up costs.
const turnTime = time.Millisecond

// A still cell is opened openings times where that takes no longer than openingMost,
// and its trials go round them: one process in fifteen got memory for a queue or a
// table that made it half as fast again, and so few should not have but one throw.
const (
	openings    = 3
	openingMost = 200 * time.Millisecond
)

// Turns takes the cells of chosen to be measured in turns.
func (b *Bench) Turns(chosen []Workload) *Turns {
	b.inTurns = true
	t := &Turns{bench: b}
	b.continued, t.unwatch = probes.WatchContinues()
	for _, w := range chosen {
		for _, c := range w.Cells(b) {
			t.cells = append(t.cells, turnCell{workload: w.Name, cell: c})
		}
	}
	return t
}

// Cells are the names of all, as bench.txt has them.
func (t *Turns) Cells() (names []string) {
	for _, c := range t.cells {
		names = append(names, title(c.workload, c.cell))
	}
	return names
}

// Open prepares the i-th cell and returns how many trials it wants: none where it is
// skipped.
func (t *Turns) Open(i int) (trials int, err error) {
	b, c := t.bench, &t.cells[i]
	defer t.placed(i)()
	cell := c.cell
	if !t.Floors {
		cell.Floor = nil
	}
	if c.row, err = b.prepare(c.workload, cell); err != nil || c.row.Skipped != "" {
		return 0, err
	}
	b.present.rigs = nil
	runtime.GC() // for it is off from here on
	opened, err := c.cell.Open(b)
	if err != nil {
		return 0, err
	}
	if !opened.Still {
		return b.kept(c.cell), opened.Close()
	}
	trials = max(int(time.Duration(b.Trials)*b.Time/turnTime/2), 1)
	c.open = []Trial{opened}
	for began := time.Now(); err == nil && len(c.open) < openings && time.Since(began) < openingMost; {
		if opened, err = c.cell.Open(b); err == nil {
			c.open = append(c.open, opened)
		}
	}
	for _, t := range c.open {
		if _, failed := b.turn(t); failed != nil { // it finds how many operations make a trial
			err = errors.Join(err, failed)
		}
	}
	c.before = b.watch()
	return trials, err
}

// turn is a trial of a still cell and nothing else: what the kernel says of a trial
// costs more than the trial is long.
func (b *Bench) turn(t Trial) (Outcome, error) {
	long := b.Time
	b.Time, b.counting.off = turnTime, true
	defer func() { b.Time, b.counting.off = long, false }()
	return t.Run()
}

// Trial is one turn of the i-th cell, which is open.
func (t *Turns) Trial(i int) error {
	b, c := t.bench, &t.cells[i]
	defer t.placed(i)()
	if len(c.open) == 0 {
		b.unstamped = len(c.outcomes) > 0 // once tells where the time goes
		kept, err := b.trials(title(c.workload, c.cell), c.cell, 1, func() bool { return false })
		c.outcomes = append(c.outcomes, kept...)
		return err
	}
	out, err := b.turn(c.open[len(c.outcomes)%len(c.open)])
	c.outcomes = append(c.outcomes, out)
	return err
}

// Close ends the i-th cell. What disturbed a still one since it was opened stands
// with its last trial.
func (t *Turns) Close(i int) (err error) {
	b, c := t.bench, &t.cells[i]
	if len(c.open) == 0 {
		return nil
	}
	if n := len(c.outcomes); n > 0 {
		err = b.witness(&c.outcomes[n-1], c.before)
	}
	for _, t := range c.open {
		err = errors.Join(err, t.Close())
	}
	c.open = nil
	return err
}

// End ends the turns: the rows are what was measured.
func (t *Turns) End() (rows []record.Row) {
	t.unwatch()
	t.bench.present.rigs, t.bench.present.warmUp = nil, 1
	for i, c := range t.cells {
		switch {
		case c.row.Skipped != "":
			rows = append(rows, c.row)
		case len(c.outcomes) > 0:
			undo := t.placed(i)
			rows = append(rows, t.bench.rows(c.row, c.cell, c.outcomes)...)
			undo()
		}
	}
	return rows
}

// placed uses the CPUs of the i-th cell, until what it returns is called.
func (t *Turns) placed(i int) (undo func()) {
	b, c := t.bench, t.cells[i].cell
	if c.pair != (Pair{}) {
		b.use(c.pair)
	}
	return func() { b.use(b.Pairs[0]) }
}
