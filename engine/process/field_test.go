package process

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

func TestFieldFindsNumbers(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    float64
		ok      bool
	}{
		{`{"v":1}`, 1, true},
		{" { \"v\" :\n -1.5e+2 , \"w\":0}", -150, true},
		{`{"a":{"v":7},"b":[1,{"v":8}],"c":"\"v\":9","v":2}`, 2, true},
		{`{"v":0}`, 0, true}, {`{"v":0.5}`, 0.5, true}, {`{"v":1e-400}`, 0, true},
		{`{"v":3,"v":4}`, 3, true},
		{`{"vv":1}`, 0, false}, {`{"v":"1"}`, 0, false}, {`{"v":null}`, 0, false}, {`{"v":{}}`, 0, false}, {`{"v":[1]}`, 0, false},
		{`{"v":01}`, 0, false}, {`{"v":+1}`, 0, false}, {`{"v":.5}`, 0, false}, {`{"v":1.}`, 0, false}, {`{"v":0x10}`, 0, false},
		{`{"v":1_0}`, 0, false}, {`{"v":Inf}`, 0, false}, {`{"v":1e999}`, 0, false}, {`{"v":1e}`, 0, false}, {`{"v":-}`, 0, false},
		{`{"v":1`, 0, false}, {`{"v":1]`, 0, false}, {`{"a":[1,2}`, 0, false}, {`{"a" 1,"v":1}`, 0, false}, {`["v",1]`, 0, false},
		{`{"a":"`, 0, false}, {`{"a":"\`, 0, false}, {`{`, 0, false}, {``, 0, false}, {`{"a":,"v":1}`, 0, false}, {`{}`, 0, false},
	} {
		if v, ok := field("v").number([]byte(c.payload)); v != c.want || ok != c.ok {
			t.Errorf("%s: %g, %v; want %g, %v", c.payload, v, ok, c.want, c.ok)
		}
	}
}

// twin is the same by the standard library, of a whole document: the first number
// of the name, and whether the document is one that the scanner promises to read
// alike (it may go by a name with escapes, and past what breaks behind the number).
func twin(payload []byte) (v float64, ok, alike bool) {
	if !json.Valid(payload) || bytes.IndexByte(payload, '\\') >= 0 {
		return 0, false, false
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	if start, _ := d.Token(); start != json.Delim('{') {
		return 0, false, true
	}
	for d.More() {
		name, _ := d.Token()
		var value any
		err := d.Decode(&value)
		if name == "v" {
			v, ok = value.(float64)
			return v, ok && err == nil, true
		}
	}
	return 0, false, true
}

func FuzzField(f *testing.F) {
	whole := []byte(`{"a":[1,{"v":[]}],"b":"x","v":-12.5e3,"c":null}`)
	for i := range len(whole) + 1 {
		f.Add(whole[:i])
	}
	f.Add([]byte("{\"v\":1e400}"))
	f.Add([]byte("{\"\xff\":1,\"v\":2}"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		v, ok := field("v").number(payload)
		if math.IsInf(v, 0) || math.IsNaN(v) {
			t.Errorf("%q: %g is no JSON number", payload, v)
		}
		if want, is, alike := twin(payload); alike && (ok != is || v != want) {
			t.Errorf("%q: %g, %v; want %g, %v", payload, v, ok, want, is)
		}
	})
}

func BenchmarkField(b *testing.B) {
	payload := []byte(`{"sensor":"t-17","at":1763800000123,"unit":"C","v":21.375,"ok":true}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := field("v").number(payload); !ok {
			b.Fatal("not found")
		}
	}
}
