package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/metrics"
	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// loadOf is a record of n answers, of 1 us but for the last slow of them, of 1 ms.
func loadOf(t *testing.T, n, slow int, keptUp bool) string {
	t.Helper()
	h := new(metrics.Histogram)
	h.RecordN(1000, uint64(n-slow))
	h.RecordN(1_000_000, uint64(slow))
	s := h.Snapshot()
	r := drive.Report{Sent: uint64(n), Bytes: uint64(100 * n), DurationNs: 1e9, Rate: float64(n), KeptUp: keptUp, LagNs: 5e9,
		Answers: &drive.Answers{Latency: &drive.Quantiles{Of: s}}}
	dir, err := keepLoad(t.TempDir(), drive.Default("127.0.0.1:1"), r, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Two senders, one of which saw every slow event: the percentiles of the whole
// are those of all events together, which no mean of the two is.
func TestMerge(t *testing.T) {
	quick, slow, late := loadOf(t, 9000, 0, true), loadOf(t, 1000, 500, true), loadOf(t, 1000, 0, false)
	out := t.TempDir()
	printed, code, err := execute(newReportCommand(), "merge", quick, slow, "--out", out)
	if code != 0 {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(printed)
	run, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := run.Rows[0].Values("events/s"); len(got) != 1 || got[0] != 10_000 {
		t.Errorf("%v events/s", got)
	}
	answered := run.Rows[1]
	if p50, p99 := answered.Values("p50-ns")[0], answered.Values("p99-ns")[0]; p50 > 1100 || p99 < 990_000 || answered.Trials[0].N != 10_000 {
		t.Errorf("p50 %v, p99 %v of %d", p50, p99, answered.Trials[0].N)
	}
	if printed, code, _ := execute(newVerifyCommand(), dir); code != 0 {
		t.Errorf("it does not verify: %s", printed)
	}
	if printed, code, err := execute(newReportCommand(), "merge", quick, late, "--out", out); code != 0 {
		t.Error(err)
	} else if run, err := reports.Load(strings.TrimSpace(printed)); err != nil || len(run.Rows[0].Valid()) != 0 {
		t.Errorf("a sender that fell behind leaves the whole valid (%v)", err)
	}
}

func TestMergeRefuses(t *testing.T) {
	measured := smallRun("A", 5)
	measured.Ended = measured.Started.Add(time.Second)
	good, bench := loadOf(t, 1000, 0, true), writeRun(t, measured)
	run, err := reports.Load(good)
	if err != nil {
		t.Fatal(err)
	}
	run.Started, run.Ended = run.Started.Add(-time.Hour), run.Ended.Add(-time.Hour)
	earlier := writeRun(t, run)
	run, _ = reports.Load(good)
	run.Rows = append([]record.Row(nil), run.Rows[:1]...)
	partly := writeRun(t, run)
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{good}, "two folders", exitUsage},
		{[]string{good, earlier}, "did not run at the same time", exitUnmeasured},
		{[]string{good, bench}, "at the same time", exitUnmeasured},
		{[]string{bench, bench}, "esc load --out", exitUnmeasured},
		{[]string{good, partly}, "not of one load", exitUnmeasured},
		{[]string{good, filepath.Join(good, "plots")}, "not a folder of results", exitUnmeasured},
	} {
		_, code, err := execute(newReportCommand(), append([]string{"merge", "--out", t.TempDir()}, c.args...)...)
		if code != c.code || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: exit %d, %v; want %d, .. %s", c.args, code, err, c.code, c.want)
		}
	}
}
