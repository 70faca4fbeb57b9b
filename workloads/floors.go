package workloads

import (
	"time"

	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// floorBudget is the time for one floor: it is measured beside every cell.
const floorBudget = 60 * time.Millisecond

func asRecord(f probes.Floor, err error) (record.Floor, error) {
	return record.Floor{Name: f.Name, Ns: f.Ns, Low: f.Low, High: f.High, N: f.N, How: f.How}, err
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
