package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	dir, edited := writeRun(t, smallRun("A", 5)), writeRun(t, smallRun("A", 5))
	if err := os.WriteFile(filepath.Join(edited, "bench.txt"), []byte("BenchmarkSpsc-1 1 1 ns/op\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{dir}, "is consistent", 0},
		{[]string{filepath.Join(filepath.Dir(dir), "latest")}, "is consistent", 0},
		{[]string{edited}, "bench.txt does not follow from run.json", exitMissed},
		{[]string{t.TempDir()}, "", exitUnmeasured},
		{[]string{filepath.Join(dir, "nowhere")}, "", exitUnmeasured},
		{[]string{dir, dir}, "", exitUsage},
	} {
		out, code, err := execute(newVerifyCommand(), c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("verify %q: exit %d (%v), want %d; %q, want .. %s", c.args, code, err, c.code, out, c.want)
		}
	}
}
