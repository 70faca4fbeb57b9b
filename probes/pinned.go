package probes

import (
	"fmt"
	"runtime"

	"eventstreamcore/engine/cpu"
)

// pinned runs f on the CPU given, on a thread of its own that ends with it.
func pinned(on int, f func()) error {
	return together([]int{on}, func(int) { f() })
}

// together runs f(i) on cpus[i], all at once, each on a thread of its own that
// ends with it. Nothing runs unless every pin holds.
func together(cpus []int, f func(i int)) error {
	defer widen(len(cpus))()
	ready, start, done := make(chan error, len(cpus)), make(chan bool), make(chan bool, len(cpus))
	for i, c := range cpus {
		go func() {
			defer func() { done <- true }()
			err := cpu.Pin(c) // never unlocked: the thread ends with the goroutine
			ready <- err
			if <-start {
				f(i)
			}
		}()
	}
	err := firstError(ready, cpus)
	for range cpus {
		start <- err == nil
	}
	for range cpus {
		<-done
	}
	return err
}

func firstError(ready <-chan error, cpus []int) (first error) {
	for range cpus {
		if err := <-ready; err != nil && first == nil {
			first = fmt.Errorf("pinning to CPUs %v: %w", cpus, err)
		}
	}
	return first
}

// widen raises GOMAXPROCS to the spinners and two more, so that the collector
// and the waiting caller need not pre-empt a spinner, and returns the undoing.
// A container's CPU quota may have set it as low as 1.
func widen(spinners int) (undo func()) {
	before := runtime.GOMAXPROCS(0)
	if before >= spinners+2 {
		return func() {}
	}
	runtime.GOMAXPROCS(spinners + 2)
	return func() { runtime.GOMAXPROCS(before) }
}
