package store

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// Format is a way to write a log out.
type Format uint8

// The formats.
const (
	JSONLines Format = iota // an object a line
	Frames                  // v2 frames, as a client sends them
	Original                // the records of the original's events.bin

	formats
)

var formatNames = [formats]string{"json", "frames", "original"}

func (f Format) String() string { return formatNames[f] }

// ParseFormat is the inverse of String.
func ParseFormat(name string) (Format, error) {
	for i, n := range formatNames {
		if n == name {
			return Format(i), nil
		}
	}
	return 0, fmt.Errorf("format %q: use %s", name, strings.Join(formatNames[:], ", "))
}

// Dumped is what a Dump wrote.
type Dumped struct {
	Records uint64
	CutIDs  uint64 // ids that the format had no room for, cut to 32 bits or left out
}

// Dump writes what is left to read from r to w, up to the log's end, or up to
// the number of records given, if that is not 0.
func Dump(w io.Writer, r *Reader, f Format, most uint64) (d Dumped, err error) {
	var b []byte
	for (most == 0 || d.Records < most) && r.Next() {
		e, cut := r.Entry(), false
		switch f {
		case JSONLines:
			b, err = e.AppendJSON(b[:0])
			b = append(b, '\n')
		case Frames:
			b, cut = e.appendFrame(b[:0])
		case Original:
			b, cut = e.appendOriginal(b[:0]), e.ID > 1<<32-1
		}
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			return d, fmt.Errorf("dumping sequence %d: %w", e.Sequence, err)
		}
		d.Records++
		if cut {
			d.CutIDs++
		}
	}
	return d, r.Err()
}

// line is an entry as JSON. Ids are strings, for they use all 64 bits, which
// JSON's usual readers round.
type line struct {
	Sequence uint64 `json:"sequence"`
	ID       string `json:"id"`
	Received string `json:"received"`
	Type     string `json:"type"`
	Priority string `json:"priority"`
	Source   string `json:"source"`
	Reason   string `json:"reason,omitempty"`
	Topic    string `json:"topic"`
	Payload  string `json:"payload,omitempty"`
	Base64   []byte `json:"payload_base64,omitempty"` // where the payload is no UTF-8
}

var originNames = [...]string{"tcp", "udp", "file", "internal", "plugin", "python"}

// AppendJSON writes the entry behind dst as one JSON object.
func (e *Entry) AppendJSON(dst []byte) ([]byte, error) {
	l := line{
		Sequence: e.Sequence,
		ID:       strconv.FormatUint(e.ID, 10),
		Received: time.Unix(0, e.Wall).UTC().Format(time.RFC3339Nano),
		Type:     "event",
		Priority: e.Priority.String(),
		Source:   strconv.Itoa(int(e.Origin)),
		Topic:    string(e.Topic),
	}
	if int(e.Origin) < len(originNames) {
		l.Source = originNames[e.Origin]
	}
	if e.Type == event.TypeDeadLetter {
		l.Type, l.Reason = "dead_letter", reasonOf(&e.Record).String()
	}
	if utf8.Valid(e.Payload) {
		l.Payload = string(e.Payload)
	} else {
		l.Base64 = e.Payload
	}
	b, err := json.Marshal(&l)
	return appendPrintable(dst, b), err
}

// reasonOf is the reason of a dead letter; a number that is none stays none.
func reasonOf(r *event.Record) wire.Reason { return wire.Reason(min(r.Reason, uint16(wire.Reasons))) }

// appendPrintable escapes what JSON leaves as it is and a terminal may obey:
// DEL and the control characters from U+0080 to U+009F.
func appendPrintable(dst, text []byte) []byte {
	for _, r := range string(text) {
		if r >= 0x7f && r <= 0x9f {
			dst = fmt.Appendf(dst, `\u%04x`, r)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// appendFrame writes the entry as a v2 frame, or as a v1 frame without its id
// where only that is short enough.
func (e *Entry) appendFrame(dst []byte) (b []byte, cut bool) {
	f := wire.Frame{Version: wire.V2, Topic: e.Topic, Payload: e.Payload, ID: e.ID, Priority: e.Priority}
	if f.Size() > wire.MaxFrame {
		f.Version = wire.V1
	}
	return f.Append(dst), f.Version == wire.V1
}

// appendOriginal writes the entry as a record of the original's events.bin.
func (e *Entry) appendOriginal(dst []byte) []byte {
	dst = le.AppendUint64(dst, uint64(e.Wall))
	dst = append(dst, byte(e.Origin))
	dst = le.AppendUint32(dst, uint32(e.ID))
	dst = le.AppendUint32(dst, uint32(len(e.Topic)))
	dst = append(dst, e.Topic...)
	dst = le.AppendUint64(dst, uint64(len(e.Payload)))
	return append(dst, e.Payload...)
}
