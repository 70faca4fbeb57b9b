package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"eventstreamcore/engine/event"
)

// The ways in which a frame cannot be sent.
var (
	ErrTopic    = errors.New("topic must be 1 to 65535 bytes of UTF-8")
	ErrPriority = errors.New("priority must be 0 (BATCH) to 4 (CRITICAL)")
	ErrTooLarge = fmt.Errorf("frame body must not be over %d bytes: send a shorter payload", MaxBody)
)

// Size is how many bytes the frame takes on the wire, with its length.
func (f *Frame) Size() int { return PrefixSize + f.bodySize() }

func (f *Frame) bodySize() int {
	head := HeadV1
	if f.Version == V2 {
		head = HeadV2
	}
	return head + len(f.Topic) + len(f.Payload)
}

// Append writes the frame behind dst, in its Version (0 counts as V1), and
// allocates only to grow dst. It does not judge: see Check.
func (f *Frame) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.bodySize()))
	if f.Version == V2 {
		return f.appendV2(dst)
	}
	dst = append(dst, byte(f.Priority))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Topic)))
	dst = append(dst, f.Topic...)
	return append(dst, f.Payload...)
}

func (f *Frame) appendV2(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, markV2|byte(f.Priority), f.Flags)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Topic)))
	dst = binary.BigEndian.AppendUint64(dst, f.ID)
	dst = binary.BigEndian.AppendUint64(dst, f.Intended)
	dst = append(dst, 0, 0, 0, 0) // the checksum's place
	dst = append(dst, f.Topic...)
	dst = append(dst, f.Payload...)
	binary.BigEndian.PutUint32(dst[at+coveredV2:], checksumV2(dst[at:]))
	return dst
}

// Check says why a receiver would refuse the frame: ErrTopic, ErrPriority or
// ErrTooLarge, or nil.
func (f *Frame) Check() error {
	switch {
	case !validTopic(f.Topic):
		return ErrTopic
	case f.Priority >= event.Priorities:
		return ErrPriority
	case f.bodySize() > MaxBody:
		return ErrTooLarge
	}
	return nil
}
