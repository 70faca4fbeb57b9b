package workloads

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/pprof"
	"time"

	"eventstreamcore/reports/record"
)

// profile repeats a cell whose trials are over, for as long as Profile says, and
// keeps where its CPU time went. What the repetitions come to is in no figure:
// the profiler interrupts each thread a hundred times a second.
func (b *Bench) profile(cell string, trial Trial, stopped func() bool) error {
	var into bytes.Buffer
	runtime.GC() // it is off meanwhile
	if err := pprof.StartCPUProfile(&into); err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	began := time.Now()
	var failed error
	for failed == nil && !stopped() && time.Since(began) < b.Profile {
		_, failed = trial.Run()
	}
	took := time.Since(began)
	pprof.StopCPUProfile()
	if failed != nil {
		return fmt.Errorf("while profiling: %w", failed)
	}
	b.Profiles = append(b.Profiles, record.Profile{Cell: cell, Ns: took.Nanoseconds(), Bytes: into.Bytes()})
	return nil
}
