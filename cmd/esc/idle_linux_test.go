package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// TestProofIdle: a server that has nothing to do uses less than 1 % of a CPU, of
// either plan, with a client that is connected and says nothing. The best of up to
// ten: what a host charges for a wake-up varies.
func TestProofIdle(t *testing.T) {
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("a timed check of some 15 s: set ESC_PROOFS=1")
	}
	for _, plan := range []string{"fused", "split"} {
		p := serveProcess(t, t.TempDir(), "--plan", plan)
		sendTo(t, p.addr, "--rate", "1000", "--count", "1000", "--quiet")
		least := 1.0
		for try := 0; try < 3 || try < 10 && least >= 0.01; try++ {
			time.Sleep(500 * time.Millisecond)
			before, began := cpuSeconds(t, p.cmd.Process.Pid), time.Now()
			time.Sleep(2 * time.Second)
			least = min(least, (cpuSeconds(t, p.cmd.Process.Pid)-before)/time.Since(began).Seconds())
		}
		t.Logf("plan %s: %.2f %% of a CPU", plan, 100*least)
		if least >= 0.01 {
			t.Errorf("plan %s: %.2f %% of a CPU while idle, want under 1 %%", plan, 100*least)
		}
		if code, _ := p.terminate(t); code != 0 {
			t.Errorf("exit code %d: %s", code, p.messages())
		}
	}
}

// cpuSeconds is what the process has used, to 10 ms.
func cpuSeconds(t *testing.T, pid int) float64 {
	t.Helper()
	proc, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := proc.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return stat.CPUTime()
}

// TestSpinningIsSaid: who asks for --idle spin is told what it burns.
func TestSpinningIsSaid(t *testing.T) {
	p := serveProcess(t, t.TempDir(), "--idle", "spin")
	if !strings.Contains(p.messages(), "keeps every thread of the plan at 100 % of a CPU") {
		t.Errorf("it is not said: %s", p.messages())
	}
	if code, _ := p.terminate(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.messages())
	}
}
