package cluster

import (
	"strconv"

	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/store"
)

// Readings are a node's figures to scrape. It asks nobody else for them.
func (n *Node) Readings(emit func(metrics.Reading)) {
	const own = "The last sequence of the node's own log that a majority has on its disks."
	emit(metrics.Reading{Name: "esc_replicated_sequence", Help: own, Kind: metrics.Level, Value: float64(n.Replicated())})
	select {
	case <-n.joined:
	default:
		return // and has no replicas yet
	}
	for p := range n.parts {
		n.parts[p].replica.readings(emit)
	}
}

func (r *replica) readings(emit func(metrics.Reading)) {
	labels := []metrics.Label{{Name: "partition", Value: strconv.Itoa(r.number)}}
	one := func(name, help string, kind metrics.Kind, value float64) {
		emit(metrics.Reading{Name: name, Help: help, Kind: kind, Labels: labels, Value: value})
	}
	r.mu.Lock()
	base, last, lost, repairs, served := r.base.index, r.tail.index, r.lost, r.repairs, 0.0
	if r.state == Following && r.damage == nil {
		served = 1
	}
	r.mu.Unlock()
	one("esc_replica_served", "1 while readers are served from this node's replica of the partition.", metrics.Level, served)
	one("esc_replica_last_record", "The last record of the partition that this node's replica has.", metrics.Level, float64(max(last, base)))
	one("esc_replica_first_record", "The first record of the partition that this node keeps: those before were let go of, or lost.", metrics.Level, float64(base+1))
	one("esc_replica_lost_total", "Records that this node's replica never got, for nobody had them any more.", metrics.Count, float64(lost))
	one("esc_replica_repairs_total", "Times that this node's replica was found damaged and made anew.", metrics.Count, float64(repairs))
	if u, err := store.ReadUsage(r.dir); err == nil {
		one("esc_replica_segments", "Segments of this node's replica of the partition.", metrics.Level, float64(u.Segments))
		one("esc_replica_disk_free_bytes", "Bytes that the file system of the replica has left.", metrics.Level, float64(u.Free))
	}
}
