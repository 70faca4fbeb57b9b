package store

import (
	"errors"

	"eventstreamcore/engine/event"
)

// errEntry says that bytes are no record.
var errEntry = errors.New("no record, or not a whole one")

// AppendBinary writes the record behind dst as the log holds it, padding
// included.
func (e *Entry) AppendBinary(dst []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, event.RecordSize)...)
	putRecord(dst[at:], &e.Record)
	dst = append(append(dst, e.Topic...), e.Payload...)
	var padding [align]byte
	return append(dst, padding[:padded(len(dst)-at)-(len(dst)-at)]...), nil
}

// Decode reads the record at the start of b, which AppendBinary wrote, and
// says how many bytes it takes, padding included. It checks the content's
// checksum. Topic and Payload are views of b.
func (e *Entry) Decode(b []byte) (size int, err error) {
	if len(b) < event.RecordSize {
		return 0, errEntry
	}
	e.Record = record(b)
	size = padded(int(e.Length))
	if e.Length < event.RecordSize+uint32(e.TopicLength) || e.Length > MaxRecord || size > len(b) {
		return 0, errEntry
	}
	b = b[:e.Length]
	if event.Checksum(0, b[contentAt:]) != e.Content {
		return 0, errContent
	}
	b = b[event.RecordSize:]
	e.Topic, e.Payload = b[:e.TopicLength], b[e.TopicLength:]
	return size, nil
}
