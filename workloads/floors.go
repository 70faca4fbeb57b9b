package workloads

import (
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/perf/benchmath"

	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// floorBudget is the time for one floor: it is measured beside every cell.
const floorBudget = 60 * time.Millisecond

func asRecord(f probes.Floor, err error) (record.Floor, error) {
	return record.Floor{Name: f.Name, Ns: f.Ns, Low: f.Low, High: f.High, N: f.N, How: f.How}, err
}

// pooled is the median of the floors that the trials measured themselves, or nil
// if they did not.
func pooled(outcomes []Outcome) *record.Floor {
	var each []float64
	var floor record.Floor
	for _, out := range outcomes {
		if out.Floor != nil {
			floor = *out.Floor
			each = append(each, floor.Ns)
		}
	}
	if each == nil {
		return nil
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(each, &benchmath.DefaultThresholds), 0.95)
	floor.Ns, floor.N = s.Center, len(each)
	floor.Low, floor.High = math.Max(s.Lo, slices.Min(each)), math.Min(s.Hi, slices.Max(each))
	return &floor
}

// floorSteady is how many times the lesser of two floors the greater may be and
// still be called the same.
const floorSteady = 1.5

// floorMoved says that a floor was another one after the trials than before them: a
// host moves the CPUs of its guests, and a line then takes three times as long from
// one to the other. An engine that spins between trials leaves no other moment.
func floorMoved(before, after float64) []string {
	if max(before, after) <= floorSteady*min(before, after) {
		return nil
	}
	return []string{fmt.Sprintf("the floor moved: %.0f ns before the trials, %.0f ns after them", before, after)}
}

// loadStoreFloor is under whatever touches a line that is in L1.
func loadStoreFloor(b *Bench) (record.Floor, error) {
	return asRecord(probes.LoadStore(b.Clock, b.Hot, floorBudget))
}

// transferFloor is under whatever crosses from one CPU to the other.
func transferFloor(b *Bench) (record.Floor, error) {
	return asRecord(probes.LineTransfer(b.Clock, b.Peer, b.Hot, floorBudget))
}

// memcpyFloor is under whatever copies that many bytes.
func memcpyFloor(bytes int) func(*Bench) (record.Floor, error) {
	return func(b *Bench) (record.Floor, error) {
		return asRecord(probes.Memcpy(b.Clock, b.Hot, bytes, floorBudget))
	}
}

// accessFloor is under whatever looks something up in a table of that size.
func accessFloor(workingSet int) func(*Bench) (record.Floor, error) {
	return func(b *Bench) (record.Floor, error) {
		return asRecord(probes.RandomAccess(b.Clock, b.Hot, workingSet, floorBudget))
	}
}

// loopbackFloor is under TCP ingest: a bare read of the same bytes.
func loopbackFloor(frameBytes int) func(*Bench) (record.Floor, error) {
	return func(b *Bench) (record.Floor, error) {
		return asRecord(probes.LoopbackRead(b.Clock, frameBytes, b.Peer, b.Hot, 4*floorBudget))
	}
}

// syncFloor is under a durable append: a bare write and fdatasync.
func syncFloor(bytes int) func(*Bench) (record.Floor, error) {
	return func(b *Bench) (record.Floor, error) {
		return asRecord(probes.WriteSync(b.Clock, b.Disk, bytes, 4*floorBudget))
	}
}
