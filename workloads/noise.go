package workloads

import (
	"runtime"

	"eventstreamcore/reports/record"
)

// noise is what disturbed the process until now: counts that only grow.
type noise struct {
	voluntary, involuntary int64 // context switches
	minorFaults            int64
	collections            int64 // GC cycles
	steal                  int64 // clock ticks that the host took from this guest's CPUs; -1 unknown
}

func readNoise() (n noise) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	n.collections = int64(m.NumGC)
	n.readSystem()
	return n
}

// since is the difference, as figures of a trial. What is unknown is left out.
func (n noise) since(before noise) []record.Value {
	values := []record.Value{
		value("voluntary-switches", float64(n.voluntary-before.voluntary)),
		value("involuntary-switches", float64(n.involuntary-before.involuntary)),
		value("page-faults", float64(n.minorFaults-before.minorFaults)),
		value("gc-cycles", float64(n.collections-before.collections)),
	}
	if n.steal >= 0 && before.steal >= 0 {
		values = append(values, value("steal-ticks", float64(n.steal-before.steal)))
	}
	return values
}
