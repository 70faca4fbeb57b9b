package cpu

import "unsafe"

// Ticks is a reading of the CPU's constant-rate counter: TSC on amd64, CNTVCT
// on arm64, nanoseconds elsewhere. Only differences mean anything; Clock turns
// them into nanoseconds.
type Ticks uint64

// Now reads the counter after every earlier instruction has finished
// (LFENCE; RDTSC). An unfenced read ran ahead of the load that it was to time.
func Now() Ticks { return now() }

// End reads the counter and lets no later instruction start before it is read
// (RDTSCP; LFENCE). It closes an interval that Now opened.
func End() Ticks { return end() }

// Pause tells the CPU n times that this is a spin-wait: it leaves the sibling
// thread its share and takes the polled line less often. A PAUSE is about 40
// cycles on recent Intel and AMD cores, 1 on arm64.
func Pause(n uint32) { pause(n) }

// Prefetch asks for the line at p to be brought into every cache level. It
// never faults and never waits.
func Prefetch(p unsafe.Pointer) { prefetch(p) }

// AddChain runs n*64 register additions, each of which needs the one before,
// and returns their sum. One addition is one cycle on every CPU in use, so the
// time it takes is the effective clock rate: the ruler check rests on it.
func AddChain(n uint64) uint64 { return addChain(n) }
