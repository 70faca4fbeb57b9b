package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
)

// rivals is a repository with the tags ancient, which knows no turns, fast, broken and,
// checked out, slower.
func rivals(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"git", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	t.Chdir(t.TempDir())
	must := func(err error, text ...byte) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	git := func(args ...string) {
		t.Helper()
		text, err := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"}, args...)...).CombinedOutput()
		must(err, text...)
	}
	git("init", "--quiet")
	must(os.WriteFile(".gitignore", []byte("results\nslow\n"), 0o644))
	must(os.WriteFile("go.mod", []byte("module rival\n\ngo 1.26\n"), 0o644))
	must(os.MkdirAll(filepath.Join("cmd", "esc"), 0o755))
	for _, v := range []struct{ tag, text string }{
		{"ancient", standIn(100.001, false)}, {"fast", standIn(100, true)}, {"broken", "package main\n\nfunc main() { nonsense() }\n"}, {"slower", standIn(149.5, true)},
	} {
		must(os.WriteFile(filepath.Join("cmd", "esc", "main.go"), []byte(v.text), 0o644))
		git("add", ".")
		git("commit", "--quiet", "-m", v.tag)
		git("tag", v.tag)
	}
	t.Setenv("TMPDIR", t.TempDir())
}

// nothingLeft wants no worktree, no binary and no turn behind.
func nothingLeft(t *testing.T) {
	t.Helper()
	text, err := exec.Command("git", "worktree", "list").Output()
	if err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("worktrees: %s (%v)", text, err)
	}
	for _, pattern := range []string{filepath.Join(os.Getenv("TMPDIR"), "esc-*"), filepath.Join("results", ".*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

func TestAgainst(t *testing.T) {
	rivals(t)
	out, code, err := execute(newBenchCommand(), "--against", "fast", "--count", "6", "--seed", "7")
	if code != 0 || !strings.Contains(out, "0 better, 1 worse") {
		t.Fatalf("exit %d (%v): %s", code, err, out)
	}
	old, err := reports.Load(filepath.Join("results", "against"))
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := reports.Load(filepath.Join("results", "latest"))
	if err != nil {
		t.Fatal(err)
	}
	if old.Turns != fresh.Turns || !strings.Contains(fresh.Turns, "trial by trial, seed 7") || !judge.Interleaved(judge.SideOf("", old), judge.SideOf("", fresh)) {
		t.Errorf("turns %q and %q", old.Turns, fresh.Turns)
	}
	if n := len(fresh.Rows[0].Counted()); n != 6 || len(fresh.Rows[0].Trials) != 24 || fresh.Build.Commit == old.Build.Commit || len(old.Build.Commit) != 12 {
		t.Errorf("%d processes, builds %+v and %+v", n, old.Build, fresh.Build)
	}
	if text, err := os.ReadFile(filepath.Join("results", "latest", "comparison.json")); err != nil || !strings.Contains(string(text), `"pairs": 6`) {
		t.Errorf("comparison.json: %v %s", err, text)
	}
	if text, err := os.ReadFile(filepath.Join("results", "latest", "comparison.md")); err != nil || !strings.Contains(string(text), "6 pairs of processes") {
		t.Errorf("comparison.md: %v %s", err, text)
	}
	for _, name := range []string{"against", "latest"} {
		if out, code, _ := execute(newVerifyCommand(), filepath.Join("results", name)); code != 0 {
			t.Errorf("verify %s: %s", name, out)
		}
	}
	nothingLeft(t)
}

// A build from before there were turns is measured process by process, and that is said.
func TestAgainstAnOlderBuild(t *testing.T) {
	rivals(t)
	out, code, err := execute(newBenchCommand(), "--against", "ancient", "--count", "6")
	if code != 0 || !strings.Contains(out, "0 better, 1 worse") || !strings.Contains(out, "old: this build takes no turns") {
		t.Fatalf("exit %d (%v): %s", code, err, out)
	}
	if run, err := reports.Load(filepath.Join("results", "latest")); err != nil || !strings.Contains(run.Turns, "process by process") {
		t.Errorf("%q %v", run.Turns, err)
	}
	nothingLeft(t)
}

func TestAgainstRefuses(t *testing.T) {
	rivals(t)
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--against", "nowhere"}, "no such commit", exitUsage},
		{[]string{"--against", "--upload-pack=x"}, "is wanted", exitUsage},
		{[]string{"--against", "broken"}, "undefined: nonsense", exitUnmeasured},
		{[]string{"--against", "fast", "--json"}, "esc compare --format json", exitUsage},
		{[]string{"--against", "fast", "--run", "("}, "--run", exitUsage},
		{[]string{"--against", "fast", "--count", "5000"}, "--count", exitUsage},
	} {
		_, code, err := execute(newBenchCommand(), c.args...)
		if code != c.code || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: exit %d, %v; want %d, one line with %q", c.args, code, err, c.code, c.want)
		}
		nothingLeft(t)
	}
	t.Chdir(t.TempDir())
	if _, code, err := execute(newBenchCommand(), "--against", "fast"); code != exitUsage || !strings.Contains(err.Error(), "checkout") {
		t.Errorf("outside a checkout: exit %d, %v", code, err)
	}
}

func TestAgainstNamesWhatIsNotCommitted(t *testing.T) {
	rivals(t)
	if err := os.WriteFile(filepath.Join("cmd", "esc", "more.go"), []byte("package main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, code, err := execute(newBenchCommand(), "--against", "HEAD", "--count", "1")
	if code != 0 || !strings.Contains(out, "uncommitted changes: cmd/esc/more.go") {
		t.Errorf("exit %d (%v): %s", code, err, out)
	}
	if run, err := reports.Load(filepath.Join("results", "latest")); err != nil || !run.Build.Dirty {
		t.Errorf("%+v, %v", run.Build, err)
	}
}

// An interrupt in the middle of a turn loses that turn and nothing else.
func TestAgainstInterrupted(t *testing.T) {
	rivals(t)
	f := benchFlags{against: "fast", out: "results", run: ".", count: 50, seed: 1, time: time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	turn := 0
	log := writerFunc(func(p []byte) (int, error) {
		if strings.HasPrefix(string(p), "[") {
			turn++
		}
		if turn == 3 {
			if err := os.WriteFile("slow", nil, 0o644); err != nil {
				return 0, err
			}
			time.AfterFunc(100*time.Millisecond, cancel)
		}
		return len(p), nil
	})
	dirs, err := measureAgainst(ctx, f, log)
	var coded *exitError
	if !errors.As(err, &coded) || coded.code != exitInterrupted {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		run, err := reports.Load(dir)
		if err != nil || !run.Partial || len(run.Rows[0].Counted()) != 2 {
			t.Errorf("%+v %v", run.Rows, err)
		}
		if wrong, err := reports.Verify(dir); err != nil || len(wrong) > 0 {
			t.Errorf("%s: %q %v", dir, wrong, err)
		}
	}
	nothingLeft(t)
	early, stop := context.WithCancel(t.Context())
	stop()
	if _, err := measureAgainst(early, f, io.Discard); !errors.As(err, &coded) || coded.code != exitInterrupted {
		t.Errorf("before the first turn: %v", err)
	}
	nothingLeft(t)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
