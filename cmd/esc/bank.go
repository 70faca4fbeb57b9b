package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// bank gathers runs of this build, as it is and slowed down.
type bank struct {
	selftestFlags
	binary string
	log    io.Writer
	runs   [][]record.Run // of each contender
}

// asIs is how many contenders run the build as it is: the one that all others are
// held against, and one that nothing was changed of.
const asIs = 2

func newBank(f selftestFlags, binary string, log io.Writer) *bank {
	return &bank{selftestFlags: f, binary: binary, log: log, runs: make([][]record.Run, asIs+len(slowdowns))}
}

// proof measures and tries the gate on it.
func (b *bank) proof(ctx context.Context, rules judge.Gate) (record.Proof, error) {
	if err := b.fill(ctx); err != nil {
		return record.Proof{}, err
	}
	fmt.Fprintln(b.log, "trying the gate on what was measured")
	p, err := b.prove(rules)
	return p, exit(exitUnmeasured, err)
}

// contenders are the build as it is, twice, and slowed down by each share.
func contenders(binary string) []contender {
	all := []contender{{Name: "as it is", Binary: binary}, {Name: "as it is, again", Binary: binary}}
	for _, s := range slowdowns {
		all = append(all, contender{fmt.Sprintf("%v %% slower", 100*s), binary, []string{"--" + slowdownFlag, fmt.Sprint(s)}})
	}
	return all
}

// fill measures what the bank does not have yet.
func (b *bank) fill(ctx context.Context) (err error) {
	folder := b.bank
	if folder == "" {
		if folder, err = os.MkdirTemp("", "esc-bank-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("--bank: %w", err)
	}
	bench := benchFlags{run: b.run, quick: true}
	if err := bench.defaults(); err != nil {
		return err
	}
	file := func(block int) string { return filepath.Join(folder, fmt.Sprintf("block-%04d.json", block)) }
	t := turns{Contenders: contenders(b.binary), Blocks: b.blocks, Seed: b.seed, Out: folder, Log: b.log, Args: bench.turnArgs()}
	t.Keep = func(block int, runs []record.Run) error {
		b.add(runs)
		text, err := json.Marshal(runs)
		if err != nil {
			return err
		}
		return os.WriteFile(file(block), text, 0o666)
	}
	done, err := b.load(file)
	if err != nil {
		return err
	}
	bounded, stop := context.WithTimeout(ctx, b.limit)
	defer stop()
	err = t.run(bounded, done)
	switch {
	case ctx.Err() != nil:
		return exit(exitInterrupted, errors.New("interrupted"+b.goOn()))
	case bounded.Err() != nil && len(b.runs[0]) < 2*judge.DuetPairs:
		return exit(exitUnmeasured, fmt.Errorf("%d of %d blocks measured in %v%s", len(b.runs[0]), b.blocks, b.limit, b.goOn()))
	case bounded.Err() != nil:
		return nil
	}
	return err
}

// goOn says how to.
func (b *bank) goOn() string {
	if b.bank == "" {
		return ""
	}
	return ": call again with --bank " + b.bank + " to go on"
}

// add takes what a block measured.
func (b *bank) add(runs []record.Run) {
	for who, run := range runs {
		b.runs[who] = append(b.runs[who], run)
	}
}

// load takes the blocks that were kept before, and returns how many they are.
func (b *bank) load(file func(int) string) (block int, err error) {
	for ; block < b.blocks; block++ {
		text, err := os.ReadFile(file(block))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		var runs []record.Run
		if err == nil {
			err = json.Unmarshal(text, &runs)
		}
		if err != nil {
			return block, exit(exitUnmeasured, fmt.Errorf("--bank: %s: %w", file(block), err))
		}
		if !b.fits(block, runs) {
			return block, usage("--bank %s holds runs of another build, --run or --seed: remove it, or name another", b.bank)
		}
		b.add(runs)
	}
	return block, nil
}

// fits says whether runs are what this bank would have measured as that block.
func (b *bank) fits(block int, runs []record.Run) bool {
	for who, run := range runs {
		if run.Build != readBuild() || run.Seed != b.seed+uint64(block) || !slices.Contains(run.Command, b.run) || slowed(run) != share(who) {
			return false
		}
	}
	return len(runs) == len(b.runs)
}

// share is by how much a contender is slowed down.
func share(who int) float64 {
	if who < asIs {
		return 0
	}
	return slowdowns[who-asIs]
}

// slowed is by how much the trials of run say that they were slowed down; -1
// where some were and some were not.
func slowed(run record.Run) float64 {
	found := map[float64]bool{}
	for _, row := range run.Rows {
		for _, t := range row.Trials {
			by := 0.0
			for _, v := range t.Noise {
				if v.Unit == workloads.SlowedBy {
					by = v.Value
				}
			}
			found[by] = true
		}
	}
	if len(found) != 1 {
		return -1
	}
	for by := range found {
		return by
	}
	return -1
}

// prove tries the gate on the bank.
func (b *bank) prove(rules judge.Gate) (record.Proof, error) {
	var sides []judge.Side
	var worst record.Run
	for i, runs := range b.runs {
		for _, run := range runs {
			if slowed(run) != share(i) {
				return record.Proof{}, fmt.Errorf("--run %q takes in cells that cannot be slowed down: choose amortised ones", b.run)
			}
		}
		all, err := reports.GatherTurns(runs)
		if err != nil {
			return record.Proof{}, err
		}
		sides, worst = append(sides, judge.SideOf("", all)), all
	}
	var banks []judge.Bank
	for _, side := range sides[1:] {
		banks = append(banks, judge.BankOf(sides[0], side))
	}
	d := judge.Drill{Gate: rules, Pairs: judge.DuetPairs, Trials: b.trials, Seed: b.seed}
	proof, err := d.Prove(banks[0], slowdowns, banks[1:])
	proof.Blocks, proof.Seed, proof.Build, proof.Host, proof.Fitness = len(b.runs[0]), b.seed, worst.Build, worst.Host, worst.Fitness
	return proof, err
}
