package reports

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/record"
)

// provenRun is richRun with a trial that kept its histogram.
func provenRun(t *testing.T) record.Run {
	t.Helper()
	run := richRun()
	hist := hdrhistogram.New(1, 1e9, 3)
	for i := range int64(1000) {
		if err := hist.RecordValue(200 + i); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := hist.EncodeV2()
	if err != nil {
		t.Fatal(err)
	}
	trial := &run.Rows[2].Trials[3] // the one that does not count, so that no verdict moves
	trial.Encoded = string(encoded)
	for i, v := range trial.Values {
		switch v.Unit {
		case "p50-ns":
			trial.Values[i].Value = float64(hist.ValueAtPercentile(50))
		case "p99-ns":
			trial.Values[i].Value = float64(hist.ValueAtPercentile(99))
		}
	}
	return run
}

func verified(t *testing.T, dir string) string {
	t.Helper()
	wrong, err := Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(wrong, "; ")
}

func TestVerifyFindsNothingWrong(t *testing.T) {
	run := provenRun(t)
	run.Partial = true
	dir := mustWrite(t, t.TempDir(), run)
	if err := os.WriteFile(filepath.Join(dir, "report.html"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if wrong := verified(t, dir); wrong != "" {
		t.Error(wrong)
	}
}

// A figure edited by hand is found, also by one who mends the checksum as well.
func TestVerifyFindsEdits(t *testing.T) {
	for _, c := range []struct{ name, file, old, new, want string }{
		{"a figure in bench.txt", "bench.txt", "5.247 ns/op", "4.247 ns/op", "bench.txt does not follow from run.json"},
		{"a percentile in a table", "percentiles.csv", ",99.9,", ",99.8,", "percentiles.csv does not follow"},
		{"an invalid trial made valid", "trials.csv", "the generator fell", "nothing fell", "trials.csv does not follow"},
		{"a percentile in run.json", "run.json", `"percent": 99.9,` + "\n" + `              "ns": `, `"percent": 99.9,` + "\n" + `              "ns": 1`, "are not those of its histogram"},
		{"a trial's percentile in run.json", "run.json", "\"value\": 1189\n", "\"value\": 189\n", "and its histogram says 1189"},
		{"a verdict in run.json", "run.json", `"verdict": "INCONCLUSIVE"`, `"verdict": "PASS"`, "the verdict on dedup is PASS"},
		{"a histogram's text", "pipeline_rate=200000.received-stored.hgrm", "0.500000", "0.510000", ".hgrm does not follow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := mustWrite(t, t.TempDir(), provenRun(t))
			path := filepath.Join(dir, c.file)
			text, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(text), c.old) {
				t.Fatalf("nothing to edit: no %q in %s (%v)", c.old, c.file, err)
			}
			edited := strings.Replace(string(text), c.old, c.new, 1)
			if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
				t.Fatal(err)
			}
			if wrong := verified(t, dir); !strings.Contains(wrong, "checksum differs") {
				t.Errorf("the checksum is not missed: %s", wrong)
			}
			mendChecksum(t, dir, c.file, []byte(edited))
			if wrong := verified(t, dir); !strings.Contains(wrong, c.want) || strings.Contains(wrong, "checksum") {
				t.Errorf("%q, want .. %s", wrong, c.want)
			}
		})
	}
}

func mendChecksum(t *testing.T, dir, file string, text []byte) {
	t.Helper()
	var m record.Manifest
	path := filepath.Join(dir, "manifest.json")
	if err := readJSON(path, &m); err != nil {
		t.Fatal(err)
	}
	m.Files[file] = sum(text)
	mended, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, mended, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsStrangers(t *testing.T) {
	dir := mustWrite(t, t.TempDir(), sampleRun())
	if err := os.WriteFile(filepath.Join(dir, "extra.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "trials.csv")); err != nil {
		t.Fatal(err)
	}
	if wrong := verified(t, dir); wrong != "extra.txt is not in the manifest; trials.csv is gone" {
		t.Error(wrong)
	}
	if err := os.Remove(filepath.Join(dir, "manifest.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir); err == nil {
		t.Error("without a manifest there is nothing to verify")
	}
	if _, err := Verify(t.TempDir()); err == nil {
		t.Error("an empty folder verifies")
	}
}
