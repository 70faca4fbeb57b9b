package wire_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"
	"unicode/utf8"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// twin decodes as FORMATS.md reads, field by field from a reader, with no
// thought of speed. ok is false for whatever is not one whole good event frame.
func twin(b []byte) (f wire.Frame, ok bool) {
	r := bytes.NewReader(b)
	var length uint32
	if binary.Read(r, binary.BigEndian, &length) != nil || length == 0 || length > 1<<20 {
		return f, false
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return f, false
	}
	if body[0] <= 4 {
		return twinV1(body)
	}
	return twinV2(body)
}

func twinV1(body []byte) (f wire.Frame, ok bool) {
	r := bytes.NewReader(body)
	var head struct {
		Priority uint8
		Topic    uint16
	}
	if binary.Read(r, binary.BigEndian, &head) != nil {
		return f, false
	}
	f = wire.Frame{Version: wire.V1, Priority: event.Priority(head.Priority)}
	return twinTail(r, f, head.Topic)
}

func twinV2(body []byte) (f wire.Frame, ok bool) {
	r := bytes.NewReader(body)
	var head struct {
		Mark, Flags  uint8
		Topic        uint16
		ID, Intended uint64
		CRC          uint32
	}
	if binary.Read(r, binary.BigEndian, &head) != nil {
		return f, false
	}
	covered := append(bytes.Clone(body[:20]), body[24:]...)
	if head.CRC != crc32.Checksum(covered, crc32.MakeTable(crc32.Castagnoli)) ||
		head.Mark&0xf0 != 0x80 || head.Mark&0xf > 4 || head.Flags > 5 {
		return f, false
	}
	f = wire.Frame{
		Version: wire.V2, Priority: event.Priority(head.Mark & 0xf), Flags: head.Flags,
		ID: head.ID, Intended: head.Intended,
	}
	return twinTail(r, f, head.Topic)
}

func twinTail(r *bytes.Reader, f wire.Frame, topic uint16) (wire.Frame, bool) {
	f.Topic = make([]byte, topic)
	if _, err := io.ReadFull(r, f.Topic); err != nil || topic == 0 || !utf8.Valid(f.Topic) {
		return f, false
	}
	f.Payload, _ = io.ReadAll(r)
	return f, true
}

func same(a, b *wire.Frame) bool {
	return a.Version == b.Version && a.Priority == b.Priority && a.Flags == b.Flags && a.ID == b.ID &&
		a.Intended == b.Intended && bytes.Equal(a.Topic, b.Topic) && bytes.Equal(a.Payload, b.Payload)
}

// FuzzDecode holds Decode to its twin, and a frame that decodes to the bytes it encodes to.
func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		whole := unhex(f, g.bytes)
		for cut := range len(whole) + 1 {
			f.Add(whole[:cut])
		}
		f.Add(append(whole, whole...))
	}
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add((&wire.Greeting{Token: []byte("t")}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got wire.Frame
		n, s := wire.Decode(b, &got)
		want, ok := twin(b)
		if ok != (s == wire.OK) {
			t.Fatalf("Decode says %v, its twin %v", s, ok)
		}
		switch {
		case s == wire.OK && !same(&got, &want):
			t.Fatalf("Decode: %+v, its twin: %+v", got, want)
		case s == wire.OK && !bytes.Equal(got.Append(nil), b[:n]):
			t.Fatalf("%x encodes to %x", b[:n], got.Append(nil))
		case s == wire.More && n <= len(b), s == wire.Hello && n > len(b), s.Malformed() && n != 0:
			t.Fatalf("%v of %d bytes, with %d", s, n, len(b))
		}
	})
}

func FuzzDecodeGreeting(f *testing.F) {
	whole := (&wire.Greeting{Token: []byte("token"), BootID: []byte("boot"), TimeNamespace: 3}).Append(nil)
	for cut := range len(whole) + 1 {
		f.Add(whole[:cut])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, s := wire.DecodeGreeting(b); s == wire.OK && !bytes.Equal(g.Append(nil)[wire.PrefixSize:], b[wire.PrefixSize:]) {
			t.Fatalf("%x encodes to %x", b, g.Append(nil))
		}
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	whole := (&wire.Answer{ID: 5, Outcome: wire.Durable}).Append(nil)
	for cut := range len(whole) + 1 {
		f.Add(whole[:cut])
	}
	f.Add(wire.AppendWelcome(nil, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, s := wire.DecodeAnswer(b); s == wire.OK && !bytes.Equal(a.Append(nil), b[:wire.AnswerSize]) {
			t.Fatalf("%x encodes to %x", b, a.Append(nil))
		}
		wire.DecodeWelcome(b)
	})
}

// TestRoundTrip sends random frames through Append and Decode.
func TestRoundTrip(t *testing.T) {
	rng := newRand(1)
	var stream []byte
	var sent []wire.Frame
	for range 2000 {
		f := randomFrame(rng)
		sent = append(sent, f)
		stream = f.Append(stream)
	}
	for i, want := range sent {
		var got wire.Frame
		n, s := wire.Decode(stream, &got)
		if s != wire.OK || !same(&got, &want) {
			t.Fatalf("frame %d: %v, %+v, want %+v", i, s, got, want)
		}
		stream = stream[n:]
	}
	if len(stream) != 0 {
		t.Errorf("%d bytes left over", len(stream))
	}
}
