package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventstreamcore/reports"
)

// interrupted runs a short esc bench, interrupts it a while after it has said so
// many lines of progress, and returns its exit code and what it had said.
func interrupted(t *testing.T, binary, out string, lines int, after time.Duration) (code int, said string) {
	t.Helper()
	cmd := exec.Command(binary, "bench", "--quick", "--count", "3", "--time", "5ms", "--out", out, "--scratch", t.TempDir(),
		"--run", "^(spsc/mode=(pair|batch)|parse/|append/mode=os|pipeline/plan=fused/load=closed)")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer limit.Stop()
	var text strings.Builder
	scan := bufio.NewScanner(pipe)
	for n := 1; scan.Scan(); n++ {
		text.WriteString(scan.Text() + "\n")
		if n == lines {
			time.AfterFunc(after, func() { cmd.Process.Signal(os.Interrupt) })
		}
	}
	err = cmd.Wait()
	var left *exec.ExitError
	if errors.As(err, &left) {
		code = left.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, text.String()
}

// TestBenchInterrupted interrupts a bench at moments from its first line to its
// last: there is a folder that verifies as partial, or, where it was too late or
// nothing had been measured, a whole one; and nothing else is left.
func TestBenchInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a bench five times")
	}
	binary, partial := self(t), 0
	for _, m := range []struct {
		lines int
		after time.Duration
	}{{1, 0}, {2, 30 * time.Millisecond}, {4, 70 * time.Millisecond}, {6, 0}, {7, 300 * time.Millisecond}} {
		out := t.TempDir()
		code, said := interrupted(t, binary, out, m.lines, m.after)
		name := fmt.Sprintf("%v after line %d", m.after, m.lines)
		if code != exitInterrupted && code != 0 && code != exitMissed && code != exitUnmeasured {
			t.Errorf("%s: exit %d: %s", name, code, said)
			continue
		}
		dir, err := filepath.EvalSymlinks(filepath.Join(out, "latest"))
		if err != nil {
			t.Errorf("%s: exit %d, no folder (%v): %s", name, code, err, said)
			continue
		}
		run, err := reports.Load(dir)
		if err != nil || run.Partial != (code == exitInterrupted) {
			t.Errorf("%s: exit %d, partial %v: %v", name, code, run.Partial, err)
		}
		if wrong, err := reports.Verify(dir); err != nil || len(wrong) > 0 {
			t.Errorf("%s: %q %v", name, wrong, err)
		}
		if left, _ := filepath.Glob(filepath.Join(out, ".*")); len(left) > 0 {
			t.Errorf("%s: left behind %q", name, left)
		}
		if run.Partial {
			partial++
		}
	}
	if partial < 2 {
		t.Errorf("only %d of the runs were partial", partial)
	}
}
