package drive

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
)

// TestStamps: every event of a load has its due time, as its frame carries it,
// and went no earlier; and the file of them reads back as stamps and as a trace.
func TestStamps(t *testing.T) {
	server := newSink(t, nil)
	spec := Default(server.listener.Addr().String())
	spec.Schedule, spec.Count, spec.Stamps = Schedule{Shape: Burst, Rate: 20_000, Burst: 3}, 300, true
	report, err := Load(context.Background(), spec)
	if err != nil || len(report.Stamps) != 300 {
		t.Fatalf("%d stamps: %v", len(report.Stamps), err)
	}
	pacer := NewPacer(spec.Schedule)
	for i, s := range report.Stamps {
		if due := pacer.Take(); s.Due-report.Stamps[0].Due != due || s.Sent < s.Due {
			t.Fatalf("event %d: due %d ns after the first, sent %d ns after that; want it due at %d", i, s.Due-report.Stamps[0].Due, s.Sent-s.Due, due)
		}
	}
	var file bytes.Buffer
	if err := WriteStamps(&file, report.Stamps); err != nil {
		t.Fatal(err)
	}
	text := file.String()
	if back, err := ReadStamps(&file); err != nil || !slices.Equal(back, report.Stamps) {
		t.Errorf("read back: %v, the same: %v", err, slices.Equal(back, report.Stamps))
	}
	if trace, err := ReadTrace(strings.NewReader(text)); err != nil || len(trace) != 300 || trace[299] != report.Stamps[299].Due-report.Stamps[0].Due {
		t.Errorf("as a trace: %d events, %v", len(trace), err)
	}
	for name, text := range map[string]string{"empty": "", "no heading": "1,2\n", "half a line": stampHeading + "\n1\n", "words": stampHeading + "\na,b\n"} {
		if _, err := ReadStamps(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	spec.Schedule.Rate = 0
	if err := spec.Validate(); err == nil {
		t.Error("times of a closed loop were promised")
	}
}
