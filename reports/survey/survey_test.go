package survey

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
)

// whole is a survey in which every part was measured.
func whole() probes.Survey {
	floors := func(name string) []probes.Floor { return []probes.Floor{{Name: name, Ns: 2, Low: 1, High: 3, N: 9}} }
	spun := []probes.Jitter{{DurationNs: 1e9, Gaps: 1, LostNs: 1000, Causes: []probes.Cause{{Name: probes.CauseRuntime, LostNs: 1000}}, Worst: []probes.Gap{{AtNs: 5, Ns: 1000}}}}
	matrix := topology.NewMatrix(topology.List{0, 1})
	matrix.Ns[0][1], matrix.Ns[1][0] = 40, 50
	return probes.Survey{
		Topology: &topology.Topology{Online: topology.List{0, 1}}, Facts: []probes.Fact{{Name: "cores", Kernel: "2", CPUID: "1"}},
		Clock: &probes.ClockSurvey{}, Fitness: &probes.Fitness{Verdict: probes.FIT}, Transfers: &probes.Transfers{Matrix: matrix},
		Curves:  []probes.Curve{{Points: []probes.CurvePoint{{Bytes: 4096, Latency: floors("")[0]}, {Bytes: 8192, Latency: floors("")[0]}}}},
		Atomics: floors("add"), Kernel: floors("getpid"), Network: floors("tcp"), Disk: floors("write"),
		Perf: &probes.PerfSurvey{Walks: 1}, Jitter: spun, Calm: spun, Missing: []string{"nothing: a test"},
	}
}

// about are the fields of a Survey that are no part of it: only its JSON has them.
var about = []string{"Schema", "Taken", "CPUs"}

func TestTextShowsEveryPart(t *testing.T) {
	full := text(t, whole())
	parts := reflect.TypeFor[probes.Survey]()
	for i := range parts.NumField() {
		name := parts.Field(i).Name
		if slices.Contains(about, name) {
			continue
		}
		v := whole()
		reflect.ValueOf(&v).Elem().Field(i).SetZero()
		if less := text(t, v); less == full {
			t.Errorf("the text of a survey is the same without %s", name)
		}
	}
	if got := text(t, probes.Survey{}); got != "" {
		t.Errorf("of a survey of nothing it says %q", got)
	}
}

func text(t *testing.T, v probes.Survey) string {
	t.Helper()
	var s strings.Builder
	if err := Text(&s, v); err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func TestFilesHoldWhatWasMeasured(t *testing.T) {
	always := []string{"probe.json", "probe.txt", "floors.csv"}
	for _, c := range []struct {
		name   string
		survey probes.Survey
		more   []string
	}{
		{"nothing", probes.Survey{Missing: whole().Missing}, nil},
		{"curves, of a machine unknown", probes.Survey{Curves: whole().Curves}, []string{"memory.csv", "memory.svg"}},
		{"all", whole(), []string{"topology.json", "topology.svg", "c2c.csv", "c2c.svg", "memory.csv", "memory.svg", "jitter.csv", "jitter.svg"}},
	} {
		var names []string
		for _, f := range Files(c.survey) {
			var s strings.Builder
			if err := f.Write(&s); err != nil || s.Len() == 0 {
				t.Errorf("%s: %s: %d bytes, %v", c.name, f.Name, s.Len(), err)
			}
			names = append(names, f.Name)
		}
		if want := slices.Concat(always, c.more); !slices.Equal(names, want) {
			t.Errorf("%s: files %v, want %v", c.name, names, want)
		}
	}
}
