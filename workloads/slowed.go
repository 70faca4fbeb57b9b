package workloads

// SlowedBy is the unit, among what is noted of a trial, of the share by which its
// operations were slowed down on purpose.
const SlowedBy = "slowed-by-share"

// slowed is run with operations added that nobody counts: the share Slowdown of
// those that were asked for, over many calls of few as over one of many. What is
// added is of the same kind, so that it is that share whatever the host does meanwhile.
func (b *Bench) slowed(run loop) loop {
	if b.Slowdown <= 0 {
		return run
	}
	owed := 0.0
	return func(n int) (succeeded int) {
		succeeded = run(n)
		owed += b.Slowdown * float64(n)
		if more := int(owed); more > 0 {
			owed -= float64(more)
			run(more)
		}
		return succeeded
	}
}

// extra is how many operations a loop of n is slowed down by.
func (b *Bench) extra(n int) int { return int(b.Slowdown * float64(n)) }
