// Package wire is the frame protocol: what stands between a client's bytes and
// an event.
//
// It takes the position that a decoder never copies and never allocates: a
// Frame is a view into the caller's buffer and dies with it. It reads two
// versions of the event frame, the optional hello and the answers, all
// big-endian behind a 32-bit length, and it says of every byte string exactly
// one of: whole, not whole yet, or malformed and why. It opens no sockets and
// keeps no state between frames; a stream that was malformed once cannot be
// read on, for its lengths can no longer be trusted.
package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"eventstreamcore/engine/event"
)

// Sizes in bytes. The length that opens a frame counts the body, not itself.
const (
	MaxBody    = 1 << 20 // of a body; a longer one is refused
	PrefixSize = 4       // of the length
	MaxFrame   = PrefixSize + MaxBody
	HeadV1     = 3         // of a v1 body, before the topic
	HeadV2     = 24        // of a v2 body, before the topic
	MaxTopic   = 1<<16 - 1 // of a topic
	coveredV2  = 20        // how much of a v2 head its checksum covers
)

// First bytes of a body. Anything else is a v1 priority or malformed.
const (
	markV2     = 0x80 // the low bits are the priority
	markAnswer = 0xC0
	markHello  = 0xC1
)

// Flags of a v2 frame.
const (
	WantAnswer = 1 << 0

	levelAt   = 1
	levelMask = 3
	flagsMask = WantAnswer | levelMask<<levelAt
)

// Level is how safe an event must be before its answer is sent.
type Level uint8

// The levels.
const (
	LevelStored     Level = iota // in the log's buffer
	LevelDurable                 // on the disk
	LevelReplicated              // on the disks of a majority

	// Levels is how many there are.
	Levels
)

var levelNames = [Levels]string{"stored", "durable", "replicated"}

func (l Level) String() string {
	if l >= Levels {
		return "unknown"
	}
	return levelNames[l]
}

// ParseLevel is the inverse of String.
func ParseLevel(name string) (Level, error) {
	for i, n := range levelNames {
		if n == name {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("level %q: use stored, durable or replicated", name)
}

// WithLevel is the flags of a frame that wants an answer at the given level.
func WithLevel(l Level) uint8 { return WantAnswer | uint8(l)<<levelAt }

// LevelOf is the level that a frame's flags ask for.
func LevelOf(flags uint8) Level { return Level(flags >> levelAt & levelMask) }

// Version tells the two event frames apart.
type Version uint8

// The versions.
const (
	V1 Version = 1 // priority, topic, payload: the original's
	V2 Version = 2 // with id, intended time, flags and a checksum
)

// Frame is one event as its sender wrote it. Topic and Payload are views into
// the buffer it was decoded from, to be read and not to be appended to.
type Frame struct {
	Topic    []byte // UTF-8, 1 to MaxTopic bytes
	Payload  []byte
	ID       uint64 // 24-bit producer, 40-bit counter; 0 in v1
	Intended uint64 // ns, CLOCK_MONOTONIC_RAW at the sender; 0 is none
	Version  Version
	Priority event.Priority
	Flags    uint8 // v2: WantAnswer and the level
}

// Content is topic and payload as one view, if the payload lies right behind the
// topic: in a frame that was decoded it does, and both are then one copy.
func (f *Frame) Content() (b []byte, ok bool) {
	n := len(f.Topic) + len(f.Payload)
	if n > cap(f.Topic) || unsafe.SliceData(f.Topic[len(f.Topic):n]) != unsafe.SliceData(f.Payload) {
		return nil, false
	}
	return f.Topic[:n], true
}

// Status is the outcome of decoding.
type Status uint8

// The outcomes. All after Hello mean that the stream cannot be read on.
const (
	OK    Status = iota
	More         // the frame is not whole yet
	Hello        // a whole frame, and its body is a hello

	Empty       // a length of 0
	TooLarge    // a length over MaxBody
	BadKind     // a first byte that opens no known body
	BadFlags    // flags that have no meaning
	BadTopic    // no topic, one longer than the body, or one that is not UTF-8
	BadChecksum // v2 bytes that are not those that were sent
	BadHello    // a hello with lengths that do not add up
	BadAnswer   // an answer that is none

	// Statuses is how many there are.
	Statuses
)

var statusNames = [Statuses]string{
	OK:          "ok",
	More:        "not whole yet",
	Hello:       "hello",
	Empty:       "length 0",
	TooLarge:    "length over 1 MiB",
	BadKind:     "unknown first byte",
	BadFlags:    "unknown flags",
	BadTopic:    "topic missing, longer than its frame, or not UTF-8",
	BadChecksum: "checksum does not match",
	BadHello:    "hello whose lengths do not add up",
	BadAnswer:   "not an answer",
}

func (s Status) String() string { return statusNames[s] }

// Malformed reports whether the stream must be given up.
func (s Status) Malformed() bool { return s > Hello }

// Reason is what an answer says of a frame with this status.
func (s Status) Reason() Reason {
	switch s {
	case OK, More, Hello:
		return ReasonNone
	case TooLarge:
		return ReasonTooLarge
	case BadChecksum:
		return ReasonBadChecksum
	}
	return ReasonMalformed
}

// Decode reads the frame at the start of b into f. On OK and Hello, n is how
// many bytes the frame takes; on More, how many b must hold before it is worth
// asking again; else 0. f is meaningful on OK alone.
func Decode(b []byte, f *Frame) (n int, s Status) {
	if len(b) < PrefixSize {
		return PrefixSize, More
	}
	length := binary.BigEndian.Uint32(b)
	if length-1 >= MaxBody { // 0 wraps round
		return 0, outOfRange(length)
	}
	n = PrefixSize + int(length)
	if len(b) < n {
		return n, More
	}
	body := b[PrefixSize:n:n]
	if body[0] >= event.Priorities {
		return decodeOther(b[:n:n], f)
	}
	if len(body) < HeadV1 {
		return 0, BadTopic
	}
	topic := HeadV1 + int(binary.BigEndian.Uint16(body[1:]))
	if topic == HeadV1 || topic > len(body) {
		return 0, BadTopic
	}
	f.Topic, f.Payload = body[HeadV1:topic], body[topic:]
	f.ID, f.Intended = 0, 0
	f.Version, f.Priority, f.Flags = V1, event.Priority(body[0]), 0
	if !valid(b, PrefixSize+HeadV1, PrefixSize+topic) { // last: a call in between would spill all of the above
		return 0, BadTopic
	}
	return n, OK
}

// decodeOther reads every frame that is not v1; b is one, whole.
func decodeOther(b []byte, f *Frame) (n int, s Status) {
	switch first := b[PrefixSize]; {
	case first >= markV2 && first < markV2+event.Priorities:
		if s := decodeV2(b, f); s != OK {
			return 0, s
		}
		return len(b), OK
	case first == markHello:
		return len(b), Hello
	}
	return 0, BadKind
}

func decodeV2(b []byte, f *Frame) Status {
	body := b[PrefixSize:]
	if len(body) < HeadV2 {
		return BadTopic
	}
	flags := body[1]
	if flags&^flagsMask != 0 || LevelOf(flags) >= Levels {
		return BadFlags
	}
	topic := HeadV2 + int(binary.BigEndian.Uint16(body[2:]))
	if topic == HeadV2 || topic > len(body) {
		return BadTopic
	}
	if binary.BigEndian.Uint32(body[coveredV2:]) != checksumV2(body) {
		return BadChecksum
	}
	if !valid(b, PrefixSize+HeadV2, PrefixSize+topic) {
		return BadTopic
	}
	f.Topic, f.Payload = body[HeadV2:topic], body[topic:]
	f.ID = binary.BigEndian.Uint64(body[4:])
	f.Intended = binary.BigEndian.Uint64(body[12:])
	f.Version, f.Priority, f.Flags = V2, event.Priority(body[0]&^markV2), flags
	return OK
}

// valid reports whether b[from:to] is UTF-8. Nearly every topic is plain ASCII,
// which eight bytes at a time show five times sooner than utf8.Valid does. The
// last eight end with the topic; what they hold of the head before a shorter
// one is shifted out, and b is a frame, so that there is always that much.
func valid(b []byte, from, to int) bool {
	high := binary.LittleEndian.Uint64(b[to-8 : to])
	if short := from - (to - 8); short > 0 {
		high >>= 8 * short
	}
	for i := from; to-i > 8; i += 8 {
		high |= binary.LittleEndian.Uint64(b[i : i+8])
	}
	return high&0x8080808080808080 == 0 || utf8.Valid(b[from:to])
}

// checksumV2 covers a v2 body all but the checksum itself.
func checksumV2(body []byte) uint32 {
	return event.Checksum(event.Checksum(0, body[:coveredV2]), body[HeadV2:])
}

func outOfRange(length uint32) Status {
	if length == 0 {
		return Empty
	}
	return TooLarge
}
