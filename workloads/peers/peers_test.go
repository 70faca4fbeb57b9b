package main

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/puzpuzpuz/xsync/v4"

	"eventstreamcore/engine/event"
	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// TestContests runs every contest as briefly as it goes: each contestant must do
// all that it is asked, which its trials check, and the folder must verify.
func TestContests(t *testing.T) {
	out := t.TempDir()
	var stdout, stderr bytes.Buffer
	if code := command(t.Context(), []string{"--out", out, "--count", "1", "--time", "1ms", "--seed", "5"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(out, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	if wrong, err := reports.Verify(dir); err != nil || len(wrong) > 0 {
		t.Errorf("%q %v", wrong, err)
	}
	run, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]record.Row{}
	for _, row := range run.Rows {
		rows[row.Name()] = row
	}
	for _, c := range all {
		for _, p := range append(c.peers, peer{impl: ours}) {
			name := c.cell + "/impl=" + p.impl
			row, there := rows[name]
			switch {
			case !there:
				t.Errorf("no row %s", name)
			case row.Skipped != "" || row.Oversubscribed != "":
				t.Logf("%s: %s%s", name, row.Skipped, row.Oversubscribed)
			case len(row.Values(unit)) != 1:
				t.Errorf("%s: %+v", name, row.Trials)
			case len(row.Judgements) > 0:
				t.Errorf("%s is judged", name)
			case !strings.Contains(stdout.String(), p.impl):
				t.Errorf("%s is not in the table", name)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, args := range [][]string{{"--run", "("}, {"--count", "0"}, {"--time", "1ns"}, {"more"}, {"--nonsense"}} {
		var stdout, stderr bytes.Buffer
		if code := command(t.Context(), args, &stdout, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%q: exit %d, %s", args, code, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := command(t.Context(), []string{"--run", "nothing", "--out", t.TempDir()}, &stdout, &stderr); code != exitUnmeasured {
		t.Errorf("nothing to run: exit %d, %s", code, stderr.String())
	}
	early, stop := context.WithCancel(t.Context())
	stop()
	if code := command(early, []string{"--out", t.TempDir()}, &stdout, &stderr); code != exitInterrupted {
		t.Errorf("interrupted: exit %d, %s", code, stderr.String())
	}
}

// Refused pushes are counted as refused: a bounded ring takes what it has room for.
func TestRingsRefuse(t *testing.T) {
	for name, ring := range map[string]workloads.Ring{"chan": make(channel, 8), "mutex": &locked{slots: make([]event.Ref, 8)}, "xsync-spsc": xsyncSPSC{xsync.NewSPSCQueue[event.Ref](8)}, "xsync-mpmc": xsyncMPMC{xsync.NewMPMCQueue[event.Ref](8)}} {
		refs, got := make([]event.Ref, 20), make([]event.Ref, 20)
		for i := range refs {
			refs[i] = event.Ref(i + 1)
		}
		pushed := ring.PushBatch(refs)
		if popped := ring.PopBatch(got); pushed >= 20 || popped != pushed || !slices.Equal(got[:popped], refs[:pushed]) {
			t.Errorf("%s: pushed %d, popped %v", name, pushed, got[:popped])
		}
		if ring.PopBatch(got) != 0 {
			t.Errorf("%s gives what it has not", name)
		}
	}
}
