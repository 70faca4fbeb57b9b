package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"
	"unicode"

	"eventstreamcore/engine/wire"
)

// TestDump holds the three formats against committed files, and reads two of
// them back as their readers do.
func TestDump(t *testing.T) {
	d := golden(t).disk
	got := map[Format][]byte{}
	for f, cut := range map[Format]uint64{JSONLines: 0, Frames: 0, Original: 1} {
		r := newReader(d)
		if err := r.SeekSequence(0); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		n, err := Dump(&b, r, f, 0)
		if err != nil || n.Records != 4 || n.CutIDs != cut {
			t.Errorf("%v: %+v, %v", f, n, err)
		}
		got[f] = b.Bytes()
		sameAsFile(t, "dump."+f.String(), b.Bytes())
	}
	var f wire.Frame
	n, s := wire.Decode(got[Frames], &f)
	if s != wire.OK || f.ID != 1 || string(f.Topic) != "plant/1/alarm" || string(f.Payload) != "fire" || n == 0 {
		t.Errorf("first frame: %v %+v", s, f)
	}
	b := got[Original][:8+1+4+4+13+8+4]
	if binary.LittleEndian.Uint64(b) != 1_700_000_000_000_000_001 || b[8] != 0 || binary.LittleEndian.Uint32(b[9:]) != 1 ||
		binary.LittleEndian.Uint32(b[13:]) != 13 || string(b[17:30]) != "plant/1/alarm" ||
		binary.LittleEndian.Uint64(b[30:]) != 4 || string(b[38:]) != "fire" {
		t.Errorf("first record of events.bin: %q", b)
	}
}

func TestParseFormat(t *testing.T) {
	for f := range formats {
		if got, err := ParseFormat(f.String()); err != nil || got != f {
			t.Errorf("%v: %v, %v", f, got, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil {
		t.Error("xml is a format")
	}
}

// TestJSONIsPrintable: no control character of an event reaches a terminal.
func TestJSONIsPrintable(t *testing.T) {
	topic := "a\x1b[31m\x7f\u0085\u009b2J\n"
	e := Entry{Topic: []byte(topic), Payload: []byte("\xff")}
	b, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range string(b) {
		if unicode.IsControl(r) {
			t.Errorf("%q has the control character %U", b, r)
		}
	}
	var back struct{ Topic string }
	if err := json.Unmarshal(b, &back); err != nil || back.Topic != topic {
		t.Errorf("%s is read back as %q, %v", b, back.Topic, err)
	}
}
