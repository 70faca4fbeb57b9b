package probes

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
)

// surveying is a session with every budget cut to the least.
func surveying(t *testing.T) *Session {
	t.Helper()
	clock, _ := calibrated(t)
	m, err := topology.Read(topology.Root("/"))
	if err != nil {
		t.Skip(err)
	}
	s := &Session{Clock: clock, Root: topology.Root("/"), Topology: m, CPUs: m.Usable()[:min(2, len(m.Usable()))], Dir: t.TempDir(), Budgets: map[string]time.Duration{}}
	for _, p := range Parts() {
		s.Budgets[p] = 20 * time.Millisecond
	}
	return s
}

// TestSurveyInBrief takes every part but memory, which touches every size.
func TestSurveyInBrief(t *testing.T) {
	s := surveying(t)
	var told []string
	s.Progress = func(part string, done, _ int) {
		if done == 0 {
			told = append(told, part)
		}
	}
	s.Calm = func() ([]Jitter, error) { return []Jitter{{CPU: s.CPUs[0]}}, nil }
	names := slices.DeleteFunc(Parts(), func(p string) bool { return p == "memory" })
	v, err := s.Take(context.Background(), names...)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, names) {
		t.Errorf("told of %v, took %v", told, names)
	}
	if v.Clock == nil || v.Fitness == nil || len(v.Kernel) == 0 || len(v.Atomics) == 0 || len(v.Disk) == 0 || len(v.Jitter) != len(s.CPUs) || len(v.Calm) != 1 || !v.Measured() {
		t.Errorf("incomplete: %+v", v)
	}
	if len(s.CPUs) > 1 && (v.Transfers == nil || len(v.Network) == 0 || len(v.Clock.Offsets) != len(s.CPUs)-1) {
		t.Errorf("incomplete between CPUs: %+v", v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back Survey
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(back)
	if !reflect.DeepEqual(text, again) {
		t.Error("the JSON does not read back as it was")
	}
}

// TestSurveyOfOneCPU says what it could not measure, and measures the rest.
func TestSurveyOfOneCPU(t *testing.T) {
	s := surveying(t)
	s.CPUs = s.CPUs[:1]
	v, err := s.Take(context.Background(), "c2c", "net", "atomics")
	if err != nil || len(v.Missing) != 3 || len(v.Atomics) == 0 {
		t.Fatalf("%v: missing %q, %d atomics", err, v.Missing, len(v.Atomics))
	}
	for _, m := range v.Missing {
		if !strings.Contains(m, "one CPU") {
			t.Errorf("%q", m)
		}
	}
}

func TestSurveyRefuses(t *testing.T) {
	s := &Session{Clock: cpu.NewClock(1e9)}
	if _, err := s.Take(context.Background(), "everything"); err == nil {
		t.Error("an unknown part: no error")
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	v, err := s.Take(done, "clock")
	if err != nil || len(v.Missing) != 1 || v.Measured() {
		t.Errorf("interrupted: %+v, %v", v, err)
	}
}
