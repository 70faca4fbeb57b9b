package probes

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestProofAStopIsLabelled: a process that measures is stopped for 150 ms.
func TestProofAStopIsLabelled(t *testing.T) {
	if os.Getenv("ESC_PROOFS") != "1" {
		t.Skip("a timed check: set ESC_PROOFS=1")
	}
	_, cpus := calibrated(t)
	c := child(t, fmt.Sprint("jitter ", cpus[0]))
	lines := started(t, c)
	time.Sleep(400 * time.Millisecond)
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := c.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(150 * time.Millisecond)
	}
	var j Jitter
	for lines.Scan() {
		if json.Unmarshal(lines.Bytes(), &j) == nil && j.DurationNs > 0 {
			break
		}
	}
	if !slices.ContainsFunc(j.Worst, func(g Gap) bool { return g.Cause == CauseStopped && g.Ns > 100_000_000 }) {
		t.Errorf("no gap over 100 ms is labelled %q: %+v", CauseStopped, j.Worst)
	}
	t.Logf("%+v", j.Worst[:min(3, len(j.Worst))])
}
