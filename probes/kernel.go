package probes

import (
	"runtime"
	"time"

	"eventstreamcore/engine/cpu"
)

// Kernel times what the engine asks of the kernel, on CPU on: a system call,
// reading the clock through it, a page fault on a small and on a huge page,
// random access in small and in huge pages, and, where there is a peer, waking a
// thread that sleeps there. What a kernel refuses is left out and said.
func Kernel(clock cpu.Clock, on int, peer *int, budget time.Duration) (floors []Floor, missing []string, err error) {
	return kernelFloors(clock, on, peer, budget)
}

// timeNow times the runtime's clock, which asks the kernel's shared page.
func timeNow(clock cpu.Clock, on int, budget time.Duration) (Floor, error) {
	var samples []float64
	var last time.Time
	err := pinned(on, func() {
		samples = amortise(clock, budget, func(n int) {
			for range n {
				last = time.Now()
			}
		})
	})
	runtime.KeepAlive(last)
	if err != nil {
		return Floor{}, err
	}
	return newFloor("time_now", "time.Now, the wall clock and the monotonic one", samples)
}
