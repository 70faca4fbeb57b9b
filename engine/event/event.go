// Package event holds what an event is: its header, its priority, and the
// 8-byte Ref by which it travels.
//
// Bytes stay where ingest put them; only Refs move between stages. A slot is a
// Header, then the topic, then the body, and the header's last 40 bytes are the
// log's record header, so that storing an event is one copy. Memory order is
// the log's byte order, little-endian; on another machine engine.New refuses.
package event

import (
	"fmt"
	"unsafe"

	"eventstreamcore/engine/cpu"
)

// Priority orders events; its numbers are those of the frame and of the log.
type Priority uint8

// The five priorities, least urgent first.
const (
	Batch Priority = iota
	Low
	Medium
	High
	Critical

	// Priorities is how many there are.
	Priorities = 5
)

var priorityNames = [Priorities]string{"BATCH", "LOW", "MEDIUM", "HIGH", "CRITICAL"}

func (p Priority) String() string {
	if p >= Priorities {
		return fmt.Sprintf("priority(%d)", uint8(p))
	}
	return priorityNames[p]
}

// ParsePriority is the inverse of String.
func ParsePriority(name string) (Priority, error) {
	for i, n := range priorityNames {
		if n == name {
			return Priority(i), nil
		}
	}
	return 0, fmt.Errorf("priority %q: use one of BATCH, LOW, MEDIUM, HIGH, CRITICAL", name)
}

// Lane is one of the three ways through the bus.
type Lane uint8

// The lanes, most urgent first.
const (
	LaneRealtime Lane = iota
	LaneTransactional
	LaneBatch

	// Lanes is how many there are.
	Lanes = 3
)

var laneNames = [Lanes]string{"realtime", "transactional", "batch"}

func (l Lane) String() string { return laneNames[l] }

// laneOf packs a lane into two bits a priority: CRITICAL and HIGH go realtime,
// MEDIUM transactional, LOW and BATCH batch.
const laneOf = LaneBatch<<0 | LaneBatch<<2 | LaneTransactional<<4 // realtime is 0

// Lane is where events of this priority go.
func (p Priority) Lane() Lane { return laneOf >> (2 * p) & 3 }

// Origin says how an event came in; its numbers are those of the original's files.
type Origin uint8

// The origins.
const (
	FromTCP Origin = iota
	FromUDP
	FromFile
	FromInternal
	FromPlugin
	FromPython
)

// Type is the kind of a log record.
type Type uint8

// The record types of the log.
const (
	TypeEvent Type = 1 + iota
	TypeTrailer
	TypeDeadLetter
	TypeSeal

	// TypeDuplicate is in no log. It marks an event whose id has succeeded before,
	// on its way to being answered behind the first of that id.
	TypeDuplicate Type = 0xff
)

// Record is the head of a log record, byte for byte (FORMATS.md): the topic
// and the payload follow it. Content covers everything from ID to the
// payload's end and is the same on every replica.
type Record struct {
	Content     uint32 // CRC-32C from ID to the end of the payload
	Length      uint32 // bytes of the record without padding
	Sequence    uint64 // the log's, set on append
	ID          uint64 // 24-bit producer, 40-bit counter (CounterBits)
	Wall        int64  // ns, CLOCK_REALTIME, on receipt
	Type        Type
	Priority    Priority
	Flags       uint8
	Origin      Origin
	TopicLength uint16
	Reason      uint16
}

// CounterBits are an id's lower bits, which its producer counts up; the others
// say who that is, 0 being this server.
const CounterBits = 40

// Header opens every slot: one cache line, of which the last 40 bytes are the
// record. Whoever holds the event's Ref owns its slot and may write it.
type Header struct {
	Intended uint64    // ns, CLOCK_MONOTONIC_RAW at the sender; 0 is none
	Received cpu.Ticks // when ingest had its bytes
	Left     uint32    // ticks after Received at which the last stage let go of it, saturating
	Answer   uint32    // connection slot and generation to answer to; 0 is none
	Record
}

// Sizes, in bytes, of the slot's parts.
const (
	HeaderSize = 64
	RecordSize = 40

	recordAt  = HeaderSize - RecordSize // where the record starts in the slot
	contentAt = recordAt + 16           // where the content checksum's cover starts
)

// slot is the header's bytes and n-HeaderSize bytes behind them.
func (h *Header) slot(n uint32) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(h)), n) }

// Fill sets the lengths and copies topic and payload in behind the header. The
// slot must be of SizeOf(len(topic), len(payload)) bytes or more.
func (h *Header) Fill(topic, payload []byte) {
	h.TopicLength = uint16(len(topic))
	h.Length = uint32(RecordSize + len(topic) + len(payload))
	data := h.slot(recordAt + h.Length)[HeaderSize:]
	copy(data[copy(data, topic):], payload)
}

// SizeOf is the size in bytes of the slot that such an event needs.
func SizeOf(topicLength, payloadLength int) int { return HeaderSize + topicLength + payloadLength }

// Topic is a view of the event's topic: it dies with the slot.
func (h *Header) Topic() []byte { return h.slot(recordAt + h.Length)[HeaderSize:][:h.TopicLength] }

// Payload is a view of the event's body: it dies with the slot.
func (h *Header) Payload() []byte { return h.slot(recordAt + h.Length)[HeaderSize:][h.TopicLength:] }

// Encoded is the event as the log holds it, without padding: a view.
func (h *Header) Encoded() []byte { return h.slot(recordAt + h.Length)[recordAt:] }

// Leave notes that a stage lets go of the event at now.
func (h *Header) Leave(now cpu.Ticks) { h.Left = uint32(min(now-h.Received, 1<<32-1)) }

// LeftAt is when the last stage let go of it.
func (h *Header) LeftAt() cpu.Ticks { return h.Received + cpu.Ticks(h.Left) }
