package agent

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// The offset lies within the bounds whatever the ways there and back take, and
// however differently; and two measurements' hull holds what lay between them.
func TestBounds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		offset, now := random.Int64N(1e12)-5e11, random.Int64N(1e12)
		var all []exchange
		least := int64(1 << 62)
		for range 1 + random.IntN(64) {
			there, back := random.Int64N(1e6), random.Int64N(1e3)
			all = append(all, exchange{now, now + there + offset, now + there + back})
			least = min(least, there+back)
			now += random.Int64N(1e6)
		}
		o, err := bounds(all)
		if err != nil || offset < o.Low || offset > o.High || o.High-o.Low > least || o.Bound() > least/2+1 {
			t.Fatalf("offset %d, bounds %+v, quickest exchange %d, %v", offset, o, least, err)
		}
		later := Offset{o.Low + 500, o.High + 500}
		if h := o.Hull(later); offset+250 < h.Low || offset+250 > h.High {
			t.Fatalf("%d is not in %+v", offset+250, h)
		}
	}
	if _, err := bounds([]exchange{{0, 10, 20}, {30, 1040, 50}}); err == nil {
		t.Error("a clock that was set between two exchanges passes")
	}
	if _, err := bounds(nil); err == nil {
		t.Error("bounds of nothing")
	}
}

// FuzzRequest: whatever comes over the wire, what is admitted is within the limits.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{`{"ping":{"n":1}}`, `{"start":{"at":5}}`, `{}`, `{"order":null}`, `{"ping":{"n":1}} {}`, `{"run":"ls"}`,
		`{"order":{"target":"10.1.2.3:9000","rate":1,"duration_ns":1000000,"shape":"constant","burst":1,"seed":0,"size":8,"topic":"t","priority":2,"connections":1,"producer":1,"ask":""}}`,
		`{"order":{"target":"10.1.2.3:9000","rate":1e308,"duration_ns":9223372036854775807}}`} {
		f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
		f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(text)+1)), text...))
	}
	limits := DefaultLimits()
	limits.Targets = []string{target}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r request
		if newLine(stream{r: bytes.NewReader(b)}).receive(&r, requestMost, time.Second) != nil || r.check() != nil || r.Order == nil {
			return
		}
		s, err := limits.admit(*r.Order)
		if err == nil && (s.Address != target || !(s.Schedule.Rate > 0 && s.Schedule.Rate <= limits.Rate) || s.Duration <= 0 || s.Duration > limits.Duration ||
			s.Connections < 1 || s.Connections > limits.Connections || s.Size < 0 || s.Size > limits.Size || s.Stamps) {
			t.Fatalf("admitted %+v", s)
		}
	})
}

// stream is a connection that only brings.
type stream struct {
	net.Conn
	r *bytes.Reader
}

func (s stream) Read(b []byte) (int, error)      { return s.r.Read(b) }
func (s stream) SetReadDeadline(time.Time) error { return nil }
