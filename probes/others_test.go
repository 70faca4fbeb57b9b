package probes

import (
	"strings"
	"testing"
	"testing/fstest"
)

// busyAt is a machine whose CPUs 0 to 2 have run for so many ticks each, and this
// process for some.
func busyAt(stat, self string) Busy {
	return ReadBusy(fstest.MapFS{"proc/stat": {Data: []byte(stat)}, "proc/self/stat": {Data: []byte(self)}}, []int{0, 2})
}

func TestCheckOthers(t *testing.T) {
	const head = "7 (a) name) R 1 1 1 0 -1 4194560 100 0 0 0 "
	before := busyAt("cpu 9 9 9 9 9 9 9 9 9 9\ncpu0 100 10 50 1000 5 3 2 1 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\ncpu2 100 0 0 1000 0 0 0 0 0 0\nintr 5\n", head+"40 10 0 0 20 0 5\n")
	for _, c := range []struct {
		name, stat, self, says string
		verdict                Verdict
	}{
		{"all of it was this process's and its children's", "cpu0 1000 10 150 1000 5 3 2 1 0 0\ncpu2 100 0 0 2000 0 0 0 0 0 0\n", head + "840 110 90 10 20 0 5\n", "0.0 % of a CPU, of 2", OK},
		{"a third of a CPU was not", "cpu0 1000 310 150 700 5 3 2 1 0 0\ncpu2 100 0 0 2000 0 0 0 0 0 0\n", head + "840 110 90 10 20 0 5\n", "30.0 %", Warn},
		{"interrupts are nobody's", "cpu0 1000 10 150 1000 5 303 302 1 0 0\ncpu2 100 0 0 2000 0 0 0 0 0 0\n", head + "840 110 90 10 20 0 5\n", "0.0 %", OK},
		{"nothing to read", "", "", "the kernel does not say", Unknown},
		{"no process of its own", "cpu0 1000 310 150 700 5 3 2 1 0 0\n", "", "the kernel does not say", Unknown},
	} {
		if got := CheckOthers(before, busyAt(c.stat, c.self)); got.Verdict != c.verdict || !strings.Contains(got.Value, c.says) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
