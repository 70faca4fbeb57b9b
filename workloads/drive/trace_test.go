package drive

import (
	"slices"
	"strings"
	"testing"
)

func TestReadTrace(t *testing.T) {
	for name, c := range map[string]struct{ text, want, wrong string }{
		"numbers":     {text: "100\n# a pause\n\n150\n400\n", want: "0 50 300"},
		"table":       {text: "due_ns,sent_ns\n7,8\n9,12\n", want: "0 2"},
		"dump":        {text: `{"sequence":2,"received":"2026-01-02T03:04:05.000000007Z"}` + "\n" + `{"sequence":1,"received":"2026-01-02T03:04:05.000000002Z"}`, want: "0 5"},
		"not a time":  {text: "1\nfive\n", wrong: `line 2: "five"`},
		"other JSON":  {text: "1\n" + `{"at":5}`, wrong: "line 2: an object without"},
		"one event":   {text: "5\n", wrong: "two events"},
		"one moment":  {text: "5\n5\n", wrong: "two events"},
		"nothing":     {wrong: "two events"},
		"two headers": {text: "a\nb\n", wrong: "line 2"},
	} {
		trace, err := ReadTrace(strings.NewReader(c.text))
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want an error that says %q", name, err, c.wrong)
			}
			continue
		}
		want := traceOf(t, c.want)
		if err != nil || !slices.Equal(trace, want) {
			t.Errorf("%s: %v, %v, want %v", name, trace, err, want)
		}
	}
}

func traceOf(t *testing.T, text string) Trace {
	t.Helper()
	trace, err := ReadTrace(strings.NewReader(strings.ReplaceAll(text, " ", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// TestReplay: at its own rate a trace is as it was, at twice the rate twice as
// dense, and it comes again after a gap of the mean length.
func TestReplay(t *testing.T) {
	trace := traceOf(t, "1000 1100 1600 2000") // in 1 us, and a third of it until the next round
	for _, c := range []struct {
		scale float64
		want  []int64
	}{{1, []int64{0, 100, 600, 1000, 1333, 1433, 1933, 2333, 2666}}, {2, []int64{0, 50, 300, 500, 666, 716, 966, 1166, 1333}}} {
		s := Schedule{Shape: Replay, Rate: c.scale * trace.Rate(), Trace: trace}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		if got := walk(s, len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("at %v times its rate: %v, want %v", c.scale, got, c.want)
		}
	}
	if s := (Schedule{Shape: Replay, Rate: 1}); s.Validate() == nil {
		t.Error("a replay of nothing was let through")
	}
}
