package drive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// Spec is a load: what to send, when, and where to. The same Spec sends the
// same bytes, but for the intended times.
type Spec struct {
	Address string // host:port of the frame port

	// Rate and the rest of the schedule; with Rate 0 the load is a closed loop,
	// as fast as the receiver takes it, and Burst and Shape mean nothing.
	Schedule Schedule
	Count    uint64        // events, or
	Duration time.Duration // if Count is 0: for how long, over 0

	Topic    string         // of every event
	Size     int            // bytes of payload, 0 to what a frame holds
	Priority event.Priority // of every event
	Version  wire.Version   // V2 carries ids and intended times; V1 neither
	Producer uint32         // of the ids, 24 bits; 0 draws one at random

	Ask         Ask // v2 over TCP only
	Access      Access
	Connections int // 1 to 10,000: each write goes to the next one
	CPU         int // to pin the sender to, or Unpinned

	Stamps bool // keep when each event was due and sent, in the report: an open loop's

	// Gate is asked once all connections stand, if it is set: when the schedule
	// begins, in ns of CLOCK_MONOTONIC_RAW. An error ends the load before it began.
	Gate func() (start int64, err error)
}

// Unpinned leaves the sender to the kernel.
const Unpinned = -1

const (
	longestDatagram = 65_507

	maxConnections = 10_000
	stampsMost     = 50_000_000 // 800 MB
	producerMask   = 1<<24 - 1
	counterBits    = 40
)

// Default sends 64-byte payloads over one connection for a second, at 10,000 a second.
func Default(address string) Spec {
	return Spec{
		Address: address, Schedule: Schedule{Rate: 10_000, Burst: 1}, Duration: time.Second,
		Topic: "load", Size: 64, Priority: event.Medium, Version: wire.V2, Connections: 1, CPU: Unpinned,
	}
}

// PayloadFor is the payload size that makes frames of the given size, in bytes,
// with the length that opens them.
func (s *Spec) PayloadFor(frame int) int {
	f := wire.Frame{Version: s.Version, Topic: []byte(s.Topic)}
	return frame - f.Size()
}

// Validate judges the load.
func (s *Spec) Validate() error {
	f := wire.Frame{Version: s.Version, Topic: []byte(s.Topic), Priority: s.Priority}
	most := wire.MaxFrame - f.Size()
	if s.Access.UDP {
		most = longestDatagram - f.Size()
	}
	if s.Size < 0 || s.Size > most {
		return fmt.Errorf("payload of %d bytes: must be 0 to %d with this topic", s.Size, most)
	}
	if err := f.Check(); err != nil {
		return err
	}
	switch {
	case s.Version != wire.V1 && s.Version != wire.V2:
		return fmt.Errorf("frame version %d: use 1 or 2", s.Version)
	case s.Count == 0 && s.Duration <= 0:
		return errors.New("neither a count nor a duration: give one")
	case s.Connections < 1 || s.Connections > maxConnections:
		return fmt.Errorf("%d connections: must be 1 to %d", s.Connections, maxConnections)
	case s.Producer > producerMask:
		return fmt.Errorf("producer %d: must be 0 to %d", s.Producer, producerMask)
	}
	if err := s.validateAccess(); err != nil {
		return err
	}
	if s.Schedule.Rate != 0 {
		if err := s.Schedule.Validate(); err != nil {
			return err
		}
	}
	if s.Stamps && (!s.open() || s.total() > stampsMost) {
		return fmt.Errorf("times are kept of an open loop of at most %d events", stampsMost)
	}
	return nil
}

// validateAccess judges what goes together.
func (s *Spec) validateAccess() error {
	a := &s.Access
	switch {
	case a.UDP && (a.TLS != nil || a.Token != "" || s.Ask.Wanted):
		return errors.New("UDP has no TLS, no tokens and no answers: use TCP for them")
	case s.Version == wire.V1 && (a.Token != "" || s.Ask.Wanted):
		return errors.New("v1 frames have no tokens and no answers: use v2")
	case len(a.Token) > wire.MaxToken:
		return fmt.Errorf("token of %d bytes: must be at most %d", len(a.Token), wire.MaxToken)
	case s.Ask.Level > wire.LevelReplicated:
		return fmt.Errorf("answer level %d: use stored, durable or replicated", s.Ask.Level)
	}
	return nil
}

// open reports whether the load is an open loop.
func (s *Spec) open() bool { return s.Schedule.Rate > 0 }

// total is how many events there are to send, 0 if only the time decides.
func (s *Spec) total() uint64 {
	if s.Count > 0 || !s.open() {
		return s.Count
	}
	return max(1, uint64(s.Schedule.Rate*s.Duration.Seconds()))
}

// withProducer is s with a producer drawn, if it has none.
func (s Spec) withProducer() Spec {
	if s.Producer == 0 {
		s.Producer = 1 + rand.Uint32N(producerMask)
	}
	return s
}

// Expect is the i-th event, counted from 0, as its frame; but for Intended,
// which is known only when it is sent. Its payload opens with i, little-endian,
// as far as it has room for 8 bytes, and goes on with bytes that depend on their
// place alone; the counter of its id is i+1. So whoever reads the log can tell
// each event from any other, and whether it is whole.
func (s *Spec) Expect(i uint64) wire.Frame {
	payload := pattern(s.Size)
	number(payload, i)
	f := s.template()
	f.Payload = payload
	if s.Version == wire.V2 {
		f.ID = s.id(i)
	}
	return f
}

// template is what the frames of all events have in common.
func (s *Spec) template() wire.Frame {
	return wire.Frame{Version: s.Version, Topic: []byte(s.Topic), Priority: s.Priority, Flags: s.Ask.flags()}
}

func (s *Spec) id(i uint64) uint64 {
	return uint64(s.Producer)<<counterBits | (i+1)&(1<<counterBits-1)
}

// Index is which event has the payload, or an error if none has: Expect turned
// round, for payloads of 8 bytes and more.
func (s *Spec) Index(payload []byte) (uint64, error) {
	if len(payload) != s.Size || s.Size < sequenceSize {
		return 0, fmt.Errorf("payload of %d bytes, want %d, of which the first %d count", len(payload), s.Size, sequenceSize)
	}
	for at := sequenceSize; at < len(payload); at++ {
		if payload[at] != patternAt(at) {
			return 0, fmt.Errorf("payload differs at byte %d: %#x, want %#x", at, payload[at], patternAt(at))
		}
	}
	return binary.LittleEndian.Uint64(payload), nil
}

const sequenceSize = 8

// number writes i over the payload's first bytes.
func number(payload []byte, i uint64) {
	if len(payload) >= sequenceSize {
		binary.LittleEndian.PutUint64(payload, i)
		return
	}
	for at := range payload {
		payload[at] = byte(i >> (8 * at))
	}
}

func pattern(size int) []byte {
	b := make([]byte, size)
	for at := range b {
		b[at] = patternAt(at)
	}
	return b
}

// patternAt is a byte that differs from its neighbours and from those 256 on.
func patternAt(at int) byte { return byte(uint32(at) * 0x9E3779B1 >> 24) }
