package probes

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var sink []byte

// TestCountersCount touches 64 fresh pages and computes for a while.
func TestCountersCount(t *testing.T) {
	counts, missing, err := Counted(func() {
		bytes, err := unix.Mmap(-1, 0, 64*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Madvise(bytes, unix.MADV_NOHUGEPAGE)
		for i := 0; i < len(bytes); i += 4096 {
			bytes[i] = 1
		}
		sink = bytes
		sum := uint64(0)
		for i := range uint64(1_000_000) {
			sum += i * i
		}
		runtime.KeepAlive(sum)
		if err := unix.Munmap(bytes); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Skip(err) // forbidden here, which the error says how to mend
	}
	for _, m := range missing {
		t.Log("missing:", m)
	}
	faults, ok := Of(counts, "page-faults")
	if !ok || faults.Value < 60 {
		t.Errorf("64 pages were touched: %+v", counts)
	}
	if clock, ok := Of(counts, "task-clock-ns"); !ok || clock.Value <= 0 || clock.Share <= 0 {
		t.Errorf("no time passed: %+v", counts)
	}
	if n, ok := Of(counts, "instructions"); ok && n.Share > 0.5 && n.Value < 1_000_000 {
		t.Errorf("a million additions took %v instructions", n.Value)
	}
	if _, ok := Of(counts, "cycles"); !ok && !strings.Contains(strings.Join(missing, "\n"), "PMU") && !strings.Contains(strings.Join(missing, "\n"), "cycles") {
		t.Error("cycles are not counted, and nothing says why")
	}
	if _, ok := Of(counts, "none"); ok {
		t.Error("a counter that is not there")
	}
	t.Logf("%+v", counts)
}

// TestSurveyPerf: where there is a PMU, a walk over 64 MiB misses and
// one over 4 KiB does not.
func TestSurveyPerf(t *testing.T) {
	_, cpus := calibrated(t)
	p, err := surveyPerf(cpus[0])
	if err != nil {
		t.Skip(err)
	}
	near, ok := Of(p.Near, "l1d-load-misses")
	far, okFar := Of(p.Far, "l1d-load-misses")
	if ok && okFar && near.Share > 0.5 && far.Share > 0.5 && far.Value < 10*near.Value {
		t.Errorf("misses near %v, far %v", near.Value, far.Value)
	}
	if (p.PMU == "") != strings.Contains(strings.Join(p.Missing, ";"), "no PMU") {
		t.Errorf("PMU %q, missing %q", p.PMU, p.Missing)
	}
}

func TestScale(t *testing.T) {
	for _, test := range []struct {
		value, enabled, running uint64
		want                    Count
	}{
		{100, 1000, 1000, Count{"x", 100, 1}},
		{100, 1000, 250, Count{"x", 400, 0.25}},
		{100, 1000, 0, Count{"x", 0, 0}},
		{0, 0, 0, Count{"x", 0, 0}},
	} {
		if got := scale("x", test.value, test.enabled, test.running); got != test.want {
			t.Errorf("%+v: %+v", test, got)
		}
	}
}

func TestForbiddenCountersNameTheRemedy(t *testing.T) {
	err := paranoidError("3")
	for _, want := range []string{"is 3", "perf_event_paranoid=1", "CAP_PERFMON"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if errors.Is(err, unix.EACCES) || strings.Contains(err.Error(), "\n") {
		t.Errorf("want one line: %q", err)
	}
}
