package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"eventstreamcore/engine/event"
)

// rig is a log on a simulated disk, one thread, a time of its own, and what
// must be found again: every event's id is its sequence, and its bytes follow
// from that, so that a reader can tell what was never written.
type rig struct {
	disk  *simDisk
	cfg   Config
	rng   *rand.Rand
	now   time.Duration
	flaws flaws
	log   *Log
	limit int // bytes of an event's body, exclusive

	appended uint64 // last sequence ever appended, seals included
	safe     uint64 // last sequence that was ever durable
}

func newRig(mode Mode, seed uint64) *rig {
	cfg := Default("sim")
	cfg.Mode, cfg.SegmentBytes, cfg.GroupBytes, cfg.GroupEvents = mode, 8<<10, 4<<10, 64
	cfg.RetainBytes, cfg.CheckBytes = 16<<10, 0
	return &rig{disk: newSimDisk(), cfg: cfg, limit: 400, rng: rand.New(rand.NewPCG(seed, seed))}
}

func (r *rig) surroundings(d *simDisk) surroundings {
	rng := rand.New(rand.NewPCG(r.rng.Uint64(), 0))
	return surroundings{
		disk:   d,
		wall:   func() int64 { return int64(time.Hour + r.now) },
		up:     func() time.Duration { return r.now },
		random: func(b []byte) { copy(b, fmt.Appendf(nil, "%016x", rng.Uint64())) },

		longest: padded(event.RecordSize + bodyMax),
		alone:   true,
		flaws:   r.flaws,
	}
}

// open opens the log on the rig's disk.
func (r *rig) open() (Recovery, error) {
	l, rec, err := open(r.cfg, r.surroundings(r.disk))
	if err == nil {
		r.log = l
		r.appended, r.safe = rec.Last, rec.Last
	}
	return rec, err
}

// body is what the event with this sequence holds, fewer than limit bytes:
// neighbours have other lengths and other stretches of the noise.
func body(seq uint64, limit int) []byte {
	x := seq * 0x9E3779B97F4A7C15
	from := x >> 48
	return noise[from:][:(x>>16)%uint64(limit)]
}

var noise = func() (b [1<<16 + bodyMax]byte) {
	rand.NewChaCha8([32]byte{}).Read(b[:])
	return b
}()

const bodyMax = 1500

// append puts n events into the log, as far as it takes them.
func (r *rig) append(n int) {
	var s slot
	for range n {
		seq := r.log.next
		s.h = event.Header{Record: event.Record{ID: seq, Wall: int64(r.now), Type: event.TypeEvent}}
		s.h.Fill([]byte("t"), body(seq, r.limit))
		s.h.Seal()
		if _, ok := r.log.Append(&s.h); !ok {
			return
		}
		r.appended = seq
	}
}

// commit offers and commits, and notes what is safe from then on.
func (r *rig) commit() error {
	r.log.Offer()
	_, err := r.log.Commit()
	r.note()
	return err
}

func (r *rig) note() {
	r.safe = max(r.safe, r.log.Durable())
	r.appended = max(r.appended, r.log.next-1)
}

// recovered checks what a log recovered from left holds: at least what was
// safe, at most what was appended, all of it right and in order.
func (r *rig) recovered(left *simDisk) (Recovery, error) {
	l := &Log{cfg: r.cfg, env: r.surroundings(left)}
	rec, err := l.recover()
	if err != nil {
		return rec, fmt.Errorf("refused: %w", err)
	}
	if rec.Last < r.safe {
		return rec, fmt.Errorf("lost: last is %d, %d was durable", rec.Last, r.safe)
	}
	if rec.Last > r.appended {
		return rec, fmt.Errorf("invented: last is %d, appended were %d", rec.Last, r.appended)
	}
	return rec, readBack(left, rec.Last, r.limit)
}

// readBack reads a whole log and checks every record.
func readBack(d *simDisk, last uint64, limit int) error {
	r := newReader(d)
	if err := r.SeekSequence(0); err != nil {
		return err
	}
	defer r.Close()
	return checkBodies(r, last, limit)
}

// checkBodies reads to the end and checks that nothing is there that was not
// written, and that the end is where it should be.
func checkBodies(r *Reader, last uint64, limit int) error {
	for r.Next() {
		e := r.Entry()
		if e.ID != e.Sequence || !bytes.Equal(e.Payload, body(e.ID, limit)) {
			return fmt.Errorf("sequence %d: id %d with a body that was not written", e.Sequence, e.ID)
		}
	}
	if r.Err() != nil {
		return r.Err()
	}
	if r.next != last+1 {
		return fmt.Errorf("reading ends at sequence %d, not at %d", r.next-1, last)
	}
	return nil
}
