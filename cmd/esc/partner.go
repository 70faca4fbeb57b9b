package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"

	"eventstreamcore/reports/record"
)

// partner is a process that measures in turns, seen from the one that gives them.
type partner struct {
	cells   []string
	orders  *json.Encoder
	answers *json.Decoder
	in      io.Closer
	out     io.ReadCloser
	said    *strings.Builder
	cmd     *exec.Cmd
}

// lookEvery is how many blocks share one look at the host, which takes as long as
// some rows do.
const lookEvery = 4

// together is a block of processes that take turns trial by trial.
func (t *turns) together(ctx context.Context, block int) (runs []record.Run, err error) {
	out, err := os.MkdirTemp(t.Out, ".turn-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	var all []*partner
	defer func() {
		for _, p := range all { // of which none is left but after an error
			_ = p.leave()
		}
	}()
	for _, who := range t.Contenders {
		p, err := meet(ctx, who, t.args(who, block, out))
		if err == nil && (block%lookEvery == 0 || t.host.Verdict == "") {
			_, err = p.obey(order{Do: doLook})
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who.Name, err)
		}
		all = append(all, p)
	}
	if err := measureTogether(t.random(block), all); err != nil {
		return nil, err
	}
	for ; len(all) > 0; all = all[1:] {
		run, err := all[0].end()
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	t.share(runs)
	return runs, nil
}

// share gives every run how fit the host was found by those that looked; one whose
// own ruler failed, and that never looked, has that one check and keeps it for itself.
func (t *turns) share(runs []record.Run) {
	for _, run := range runs {
		if v := run.Fitness.Verdict; v != "" && (v != record.Unfit || len(run.Fitness.Checks) > 1) {
			t.host = run.Fitness
		}
	}
	for i := range runs {
		if runs[i].Fitness.Verdict == "" {
			runs[i].Fitness = t.host
		}
	}
}

// measureTogether gives the turns of every cell.
func measureTogether(r *rand.Rand, all []*partner) error {
	var cells []string
	for _, p := range all {
		for _, name := range p.cells {
			if !slices.Contains(cells, name) {
				cells = append(cells, name)
			}
		}
	}
	for _, name := range cells {
		if err := giveTurns(r, name, all); err != nil {
			return err
		}
	}
	return nil
}

// giveTurns gives those of one cell, to each that has it and can run it: in random
// order and back again, until all have had their trials.
func giveTurns(r *rand.Rand, cell string, all []*partner) (err error) {
	var able []*partner
	trials := 0
	for _, p := range all {
		if !slices.Contains(p.cells, cell) {
			continue
		}
		opened, err := p.do(doOpen, cell)
		if err != nil {
			return err
		}
		if opened.Trials > 0 {
			able, trials = append(able, p), max(trials, opened.Trials)
		}
	}
	for done := 0; done < trials; done += 2 {
		there := r.Perm(len(able))
		back := slices.Clone(there)
		slices.Reverse(back)
		for _, i := range append(there, back...) {
			if _, err := able[i].do(doTrial, cell); err != nil {
				return err
			}
		}
	}
	for _, p := range able {
		if _, err := p.do(doClose, cell); err != nil {
			return err
		}
	}
	return nil
}

// meet starts the process of who and hears which cells it has. Where ctx ends, so
// does its stdin, and by itself the process.
func meet(ctx context.Context, who contender, args []string) (*partner, error) {
	p := &partner{said: new(strings.Builder)}
	p.cmd = exec.CommandContext(ctx, who.Binary, append([]string{"bench", "--" + inTurnsFlag}, args...)...)
	p.cmd.Stderr, p.cmd.WaitDelay = p.said, interruptGrace
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out, p.orders, p.answers = in, out, json.NewEncoder(in), json.NewDecoder(out)
	p.cmd.Cancel = in.Close
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	var names cellNames
	if err := p.answers.Decode(&names); err != nil {
		return nil, p.lost(err)
	}
	p.cells = names.Cells
	return p, nil
}

func (p *partner) do(what, cell string) (answer, error) {
	return p.obey(order{Do: what, Cell: slices.Index(p.cells, cell)})
}

// obey has an order carried out.
func (p *partner) obey(o order) (a answer, err error) {
	if err = p.orders.Encode(o); err == nil {
		err = p.answers.Decode(&a)
	}
	if err != nil {
		err = p.lost(err)
	}
	return a, err
}

// end is the run that the process made.
func (p *partner) end() (run record.Run, err error) {
	if err := p.in.Close(); err != nil {
		return run, p.lost(err)
	}
	if err := p.answers.Decode(&run); err != nil {
		return run, p.lost(err)
	}
	if _, err := io.Copy(io.Discard, p.out); err != nil { // up to where it ends
		return run, p.lost(err)
	}
	return run, p.leave()
}

// lost is why a process no longer answers: what it said, if it did.
func (p *partner) lost(err error) error {
	if left := p.leave(); left != nil {
		return left
	}
	return exit(exitUnmeasured, fmt.Errorf("esc bench in turns: %w", err))
}

// leave ends the process, whose answers nobody reads any longer, and waits for it.
func (p *partner) leave() error {
	_, _ = p.in.Close(), p.out.Close() // they may be closed
	return unmeasured(p.cmd.Wait(), p.said.String())
}
