package wire_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// golden are frames as bytes; a change here is a new version of the protocol.
var golden = []struct {
	name  string
	bytes string
	frame wire.Frame
}{
	{
		name:  "v1",
		bytes: "00000007" + "03" + "0001" + "61" + "626364",
		frame: wire.Frame{Version: wire.V1, Priority: event.High, Topic: []byte("a"), Payload: []byte("bcd")},
	},
	{
		name:  "v1 without payload",
		bytes: "00000005" + "00" + "0002" + "6b2f",
		frame: wire.Frame{Version: wire.V1, Topic: []byte("k/")},
	},
	{
		name: "v2",
		bytes: "0000001d" + "84" + "03" + "0002" + "0000010000000007" + "0000000000abcdef" + "78f77b36" +
			"742f" + "78797a",
		frame: wire.Frame{
			Version: wire.V2, Priority: event.Critical, Flags: wire.WithLevel(wire.LevelDurable),
			ID: 1<<40 | 7, Intended: 0xabcdef, Topic: []byte("t/"), Payload: []byte("xyz"),
		},
	},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			want := unhex(t, g.bytes)
			if got := g.frame.Append(nil); !bytes.Equal(got, want) {
				t.Errorf("Append: %x, want %x", got, want)
			}
			if g.frame.Size() != len(want) {
				t.Errorf("Size: %d, want %d", g.frame.Size(), len(want))
			}
			var got wire.Frame
			n, s := wire.Decode(append(want, "next"...), &got)
			if n != len(want) || s != wire.OK {
				t.Fatalf("Decode: %d, %v, want %d, ok", n, s, len(want))
			}
			g.frame.Payload = append([]byte{}, g.frame.Payload...)
			if d := cmp.Diff(g.frame, got); d != "" {
				t.Errorf("Decode differs:\n%s", d)
			}
		})
	}
}

// TestTruncated cuts each golden frame everywhere: it must ask for more, and
// never for less than it has nor more than the frame.
func TestTruncated(t *testing.T) {
	for _, g := range golden {
		whole := unhex(t, g.bytes)
		for cut := range whole {
			var f wire.Frame
			n, s := wire.Decode(whole[:cut], &f)
			if s != wire.More || n <= cut || n > len(whole) {
				t.Errorf("%s cut to %d: %d, %v", g.name, cut, n, s)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	tests := []struct {
		name   string
		bytes  string
		status wire.Status
		reason wire.Reason
	}{
		{"length 0", "00000000", wire.Empty, wire.ReasonMalformed},
		{"length over 1 MiB", "00100001", wire.TooLarge, wire.ReasonTooLarge},
		{"length 2^32-1", "ffffffff", wire.TooLarge, wire.ReasonTooLarge},
		{"an HTTP request", "474554202f20485454502f312e31", wire.TooLarge, wire.ReasonTooLarge},
		{"priority 5", "00000004" + "05" + "0001" + "61", wire.BadKind, wire.ReasonMalformed},
		{"v2 priority 5", "00000004" + "85" + "0001" + "61", wire.BadKind, wire.ReasonMalformed},
		{"an answer", "0000000c" + "c00100000000000000000001", wire.BadKind, wire.ReasonMalformed},
		{"v1 of one byte", "00000001" + "00", wire.BadTopic, wire.ReasonMalformed},
		{"v1 without topic", "00000004" + "00" + "0000" + "61", wire.BadTopic, wire.ReasonMalformed},
		{"v1 topic longer than the frame", "00000004" + "00" + "0002" + "61", wire.BadTopic, wire.ReasonMalformed},
		{"v1 topic not UTF-8", "00000004" + "00" + "0001" + "ff", wire.BadTopic, wire.ReasonMalformed},
		{"v2 head cut short", "00000004" + "80" + "00" + "0001", wire.BadTopic, wire.ReasonMalformed},
		{"v2 unknown flag", "0000001d" + "84" + "08" + "0002" + strings.Repeat("00", 25), wire.BadFlags, wire.ReasonMalformed},
		{"v2 level 3", "0000001d" + "84" + "07" + "0002" + strings.Repeat("00", 25), wire.BadFlags, wire.ReasonMalformed},
		{"v2 without topic", "0000001d" + "84" + "03" + "0000" + strings.Repeat("00", 25), wire.BadTopic, wire.ReasonMalformed},
		{"v2 checksum", "0000001d" + "84" + "03" + "0002" + strings.Repeat("00", 25), wire.BadChecksum, wire.ReasonBadChecksum},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var f wire.Frame
			n, s := wire.Decode(unhex(t, test.bytes), &f)
			if n != 0 || s != test.status || !s.Malformed() {
				t.Errorf("Decode: %d, %v, want 0, %v", n, s, test.status)
			}
			if s.Reason() != test.reason {
				t.Errorf("Reason: %v, want %v", s.Reason(), test.reason)
			}
		})
	}
}

// TestEveryBitFlipIsSeen flips each bit of a v2 body: its checksum, or a stricter rule, must refuse it.
func TestEveryBitFlipIsSeen(t *testing.T) {
	whole := unhex(t, golden[2].bytes)
	for bit := wire.PrefixSize * 8; bit < len(whole)*8; bit++ {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		var f wire.Frame
		if n, s := wire.Decode(b, &f); s == wire.OK && f.Version == wire.V2 {
			t.Errorf("bit %d flipped: accepted, %d bytes", bit, n)
		}
	}
}

func TestLimits(t *testing.T) {
	f := wire.Frame{Version: wire.V1, Topic: []byte("t"), Payload: make([]byte, wire.MaxBody-wire.HeadV1-1)}
	if err := f.Check(); err != nil {
		t.Errorf("the largest frame: %v", err)
	}
	var got wire.Frame
	if n, s := wire.Decode(f.Append(nil), &got); s != wire.OK || n != wire.MaxFrame {
		t.Errorf("the largest frame: %d, %v", n, s)
	}
	tests := []struct {
		frame wire.Frame
		want  error
	}{
		{wire.Frame{Topic: []byte("t"), Payload: make([]byte, wire.MaxBody)}, wire.ErrTooLarge},
		{wire.Frame{Topic: []byte("t"), Priority: 5}, wire.ErrPriority},
		{wire.Frame{}, wire.ErrTopic},
		{wire.Frame{Topic: make([]byte, wire.MaxTopic+1)}, wire.ErrTopic},
		{wire.Frame{Topic: []byte{0xff}}, wire.ErrTopic},
	}
	for _, test := range tests {
		if err := test.frame.Check(); err != test.want {
			t.Errorf("Check of a bad frame: %v, want %v", err, test.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	a := wire.Answer{ID: 0x0102030405060708, Outcome: wire.Rejected, Reason: wire.ReasonPaused, Mode: wire.ModeInterval}
	want := unhex(t, "0000000c"+"c0050501"+"0102030405060708")
	got := a.Append(nil)
	if !bytes.Equal(got, want) {
		t.Fatalf("Append: %x, want %x", got, want)
	}
	for cut := range got {
		if _, s := wire.DecodeAnswer(got[:cut]); s != wire.More {
			t.Errorf("cut to %d: %v", cut, s)
		}
	}
	if back, s := wire.DecodeAnswer(got); s != wire.OK || back != a {
		t.Errorf("DecodeAnswer: %+v, %v", back, s)
	}
	for _, at := range []int{3, 4, 5, 6, 7} { // length, mark, outcome, reason, mode
		b := bytes.Clone(got)
		b[at] = 0x7f
		if _, s := wire.DecodeAnswer(b); s != wire.BadAnswer {
			t.Errorf("byte %d broken: %v", at, s)
		}
	}
}

func TestNames(t *testing.T) {
	for l := wire.LevelStored; l <= wire.LevelReplicated; l++ {
		if back, err := wire.ParseLevel(l.String()); err != nil || back != l {
			t.Errorf("%v: %v, %v", l, back, err)
		}
	}
	if _, err := wire.ParseLevel("unknown"); err == nil {
		t.Error("unknown: accepted")
	}
	if got := wire.DeadLettered.String() + " " + wire.Outcome(99).String() + " " + wire.ReasonPriority.String() + " " + wire.Reason(99).String(); got != "dead_lettered unknown priority_not_allowed unknown" {
		t.Error(got)
	}
}

func TestReceipt(t *testing.T) {
	r := wire.NewReceipt(1<<32-1, wire.DeadLettered, wire.ReasonPriority, wire.ModeOS)
	if r>>event.RefBits != 0 {
		t.Errorf("%#x does not fit the %d bits of a Ref", uint64(r), event.RefBits)
	}
	want := wire.Answer{Outcome: wire.DeadLettered, Reason: wire.ReasonPriority, Mode: wire.ModeOS}
	if answer, a := wire.ReadReceipt(r); answer != 1<<32-1 || a != want {
		t.Errorf("read back %#x, %+v", answer, a)
	}
}

func TestHello(t *testing.T) {
	g := wire.Greeting{Token: []byte("se"), BootID: []byte("b0"), TimeNamespace: 9, WantProducer: true}
	want := unhex(t, "00000011"+"c101"+"0002"+"7365"+"02"+"6230"+"0000000000000009")
	got := g.Append(nil)
	if !bytes.Equal(got, want) {
		t.Fatalf("Append: %x, want %x", got, want)
	}
	var f wire.Frame
	if n, s := wire.Decode(got, &f); n != len(got) || s != wire.Hello {
		t.Fatalf("Decode: %d, %v", n, s)
	}
	back, s := wire.DecodeGreeting(got)
	if d := cmp.Diff(g, back); s != wire.OK || d != "" {
		t.Errorf("DecodeGreeting: %v\n%s", s, d)
	}
	for cut := range got {
		if _, s := wire.DecodeGreeting(got[:cut]); s == wire.OK {
			t.Errorf("cut to %d: accepted", cut)
		}
	}
	got[5] = 2
	if _, s := wire.DecodeGreeting(got); s != wire.BadFlags {
		t.Errorf("unknown flag: %v", s)
	}
	long := wire.Greeting{Token: make([]byte, wire.MaxToken+1)}
	if _, s := wire.DecodeGreeting(long.Append(nil)); s != wire.BadHello {
		t.Errorf("a token too long: %v", s)
	}
}

func TestWelcome(t *testing.T) {
	got := wire.AppendWelcome(nil, 0xabcdef)
	if want := unhex(t, "0000000c"+"c1000000"+"0000000000abcdef"); !bytes.Equal(got, want) {
		t.Fatalf("AppendWelcome: %x, want %x", got, want)
	}
	if p, s := wire.DecodeWelcome(got); p != 0xabcdef || s != wire.OK {
		t.Errorf("DecodeWelcome: %x, %v", p, s)
	}
	if _, s := wire.DecodeWelcome(got[:15]); s != wire.More {
		t.Errorf("cut short: %v", s)
	}
	rejection := wire.Answer{Outcome: wire.Rejected, Reason: wire.ReasonUnauthorised}
	if _, s := wire.DecodeWelcome(rejection.Append(nil)); s != wire.BadAnswer {
		t.Errorf("a rejection: %v", s)
	}
}

func TestNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 256)
	for _, g := range golden {
		whole := unhex(t, g.bytes)
		var f wire.Frame
		if n := testing.AllocsPerRun(100, func() {
			wire.Decode(whole, &f)
			buf = f.Append(buf[:0])
		}); n != 0 {
			t.Errorf("%s: %v allocations", g.name, n)
		}
	}
}

// TestTopicIsUTF8 puts a stray byte at every place of topics of every length
// round the eight that are checked at a time.
func TestTopicIsUTF8(t *testing.T) {
	for _, v := range []wire.Version{wire.V1, wire.V2} {
		for length := 1; length <= 40; length++ {
			f := wire.Frame{Version: v, Topic: bytes.Repeat([]byte("a"), length), Payload: []byte{0xff, 0xfe}}
			f.Priority = event.Low
			if _, s := wire.Decode(f.Append(nil), new(wire.Frame)); s != wire.OK {
				t.Fatalf("v%d, %d letters: %v", v, length, s)
			}
			for at := range length {
				f.Topic[at] = 0xfe
				if _, s := wire.Decode(f.Append(nil), new(wire.Frame)); s != wire.BadTopic {
					t.Fatalf("v%d, %d letters, byte %d stray: %v", v, length, at, s)
				}
				f.Topic[at] = 'a'
			}
		}
		f := wire.Frame{Version: v, Topic: []byte("Zürich/Wärme/Größe"), Payload: []byte("x")}
		if _, s := wire.Decode(f.Append(nil), new(wire.Frame)); s != wire.OK {
			t.Errorf("v%d, letters of two bytes: %v", v, s)
		}
	}
}

// TestContent is topic and payload of what was decoded, and of nothing else.
func TestContent(t *testing.T) {
	for _, g := range golden {
		var f wire.Frame
		wire.Decode(unhex(t, g.bytes), &f)
		want := string(f.Topic) + string(f.Payload)
		if b, ok := f.Content(); len(f.Payload) > 0 && !ok || ok && string(b) != want {
			t.Errorf("%s: %q, %v, want %q", g.name, b, ok, want)
		}
	}
	whole := []byte("topicpayload")
	for name, f := range map[string]wire.Frame{
		"apart":              {Topic: []byte("topic"), Payload: []byte("payload")},
		"room but elsewhere": {Topic: whole[:5], Payload: []byte("payload")},
		"too little room":    {Topic: whole[:5:7], Payload: whole[5:]},
		"overlapping":        {Topic: whole[:5], Payload: whole[4:]},
		"none":               {},
	} {
		if b, ok := f.Content(); ok && string(b) != string(f.Topic)+string(f.Payload) {
			t.Errorf("%s: %q", name, b)
		}
	}
}

// TestFrameIsReused decodes a v1 frame where a v2 one stood: nothing of that may stay.
func TestFrameIsReused(t *testing.T) {
	var f wire.Frame
	wire.Decode(unhex(t, golden[2].bytes), &f)
	wire.Decode(unhex(t, golden[0].bytes), &f)
	if want := golden[0].frame; !same(&f, &want) {
		t.Errorf("got %+v, want %+v", f, want)
	}
}
