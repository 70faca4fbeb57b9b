// Package cpu is the bedrock: the time-stamp counter, the clock calibrated on
// it, thread pinning, and the few instructions that Go does not name.
//
// It takes the position that a wrong number is worse than none: what a system
// cannot do returns ErrUnsupported rather than doing nothing, and a clock that
// does not agree with itself is an error. It does not discover hardware; it is
// told which CPU to pin to.
package cpu

import "errors"

// CacheLine is the size in bytes of a line on every CPU the engine is measured on.
const CacheLine = 64

// Pad keeps what stands before it and what stands after it from sharing a line.
// It is two lines wide because the x86 spatial prefetcher fetches lines in
// pairs (Intel Optimization Reference Manual, 3.7.3) and Apple's lines are 128 B.
type Pad [2 * CacheLine]byte

// ErrUnsupported says that this operating system or CPU cannot do what was
// asked. A silent no-op here would falsify a measurement.
var ErrUnsupported = errors.New("not supported on this system")
