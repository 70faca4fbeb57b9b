package cluster

import (
	"encoding/json"
	"os"
	"time"

	"eventstreamcore/engine/event"
)

// place is a tail as it is written down beside a replica: where to go on in the
// stream after a restart. Only what the replica's log has on the disk is written
// down, so that after a power cut, too, the log goes as far as the place; then it
// is late, and some messages are looked at again. Without one, all are.
type place struct {
	Stream uint64      `json:"stream"`
	Epoch  uint64      `json:"epoch"`
	Index  uint64      `json:"index"`
	Chain  uint32      `json:"chain"`
	Marks  [][2]uint64 `json:"marks"`
	Counts uint64      `json:"counts"`
}

const (
	placeSuffix = ".place"
	noteEvery   = time.Second
)

// note writes the place down. That it cannot is no harm now.
func (r *replica) note(t tail) {
	r.noted = time.Now()
	p := place{Stream: t.stream, Epoch: t.epoch, Index: t.index, Chain: t.chain, Counts: t.counts}
	for _, m := range t.marks {
		p.Marks = append(p.Marks, [2]uint64{m.origin, m.last})
	}
	b, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(r.dir+placeSuffix+".new", le.AppendUint32(b, event.Checksum(0, b)), 0o600)
	}
	if err == nil {
		err = os.Rename(r.dir+placeSuffix+".new", r.dir+placeSuffix)
	}
	if err != nil {
		r.logger.Warn("place in the stream not written down", "err", err)
	}
}

// recall reads the place; the stream's beginning if there is none, or a damaged
// one.
func (r *replica) recall() (t tail) {
	b, err := os.ReadFile(r.dir + placeSuffix)
	if err != nil || len(b) < 4 {
		return tail{}
	}
	b, sum := b[:len(b)-4], b[len(b)-4:]
	var p place
	if le.Uint32(sum) != event.Checksum(0, b) || json.Unmarshal(b, &p) != nil {
		return tail{}
	}
	t = tail{stream: p.Stream, epoch: p.Epoch, index: p.Index, chain: p.Chain, counts: p.Counts}
	for _, m := range p.Marks {
		t.marks = append(t.marks, mark{m[0], m[1]})
	}
	return t
}
