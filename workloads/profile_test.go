package workloads

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"
	"time"
)

// A profiled bench keeps a profile of each cell that names what ran, and its
// rows have as many trials as without.
func TestProfile(t *testing.T) {
	b := small(t)
	b.Profile = 200 * time.Millisecond
	for range 25 { // a busy machine may leave it without a sample
		b.Profiles = nil
		rows, err := b.Measure(chosen(t, b, "^spsc/mode=pair$"), never)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1 || len(rows[0].Trials) != b.Trials {
			t.Fatalf("%d rows, of %d trials", len(rows), len(rows[0].Trials))
		}
		if len(b.Profiles) != 1 || b.Profiles[0].Cell != "spsc/mode=pair" || b.Profiles[0].Ns < b.Profile.Nanoseconds() {
			t.Fatalf("%+v", b.Profiles)
		}
		if bytes.Contains(unpacked(t, b.Profiles[0].Bytes), []byte("eventstreamcore/engine/queue.(*SPSC)")) {
			return
		}
	}
	t.Error("the ring is in no profile")
}

func unpacked(t *testing.T, profile []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
