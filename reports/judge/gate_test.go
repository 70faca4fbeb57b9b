package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"eventstreamcore/reports/record"
)

func parsed(t *testing.T, rules ...string) Gate {
	t.Helper()
	text := "rules:\n"
	for _, r := range rules {
		text += "  - rows: \"\"\n    require: \"" + r + "\"\n"
	}
	g, err := ParseGate("gate.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestParseGate(t *testing.T) {
	g, err := ParseGate("gate.yaml", []byte("alpha: 0.01\nrules:\n  - rows: ^Spsc/\n    require: ns/op +5 %\n  - rows: ^Tcp\n    require: events/s -20%\n  - rows: lane\n    require: p99-ns <= 2000\n  - rows: .\n    require: B/s >= 1e9\n"))
	if err != nil {
		t.Fatal(err)
	}
	if g.Alpha != 0.01 || len(g.Rules) != 4 {
		t.Fatalf("%+v", g)
	}
	for i, want := range []Rule{{Unit: "ns/op", Kind: Relative, Bound: 0.05}, {Unit: "events/s", Kind: Relative, Bound: 0.25}, {Unit: "p99-ns", Kind: AtMost, Bound: 2000}, {Unit: "B/s", Kind: AtLeast, Bound: 1e9}} {
		got := g.Rules[i]
		if got.Unit != want.Unit || got.Kind != want.Kind || math.Abs(got.Bound-want.Bound) > 1e-9 {
			t.Errorf("rule %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestParseGateRefuses(t *testing.T) {
	rule := func(require string) string { return "rules:\n  - rows: .\n    require: \"" + require + "\"\n" }
	for text, want := range map[string]string{
		"":                        "nothing would be gated",
		"rules: []":               "nothing would be gated",
		"rulez: []":               "rulez",
		"alpha: 7\nrules: []":     "alpha 7",
		"alpha: high":             "line 1",
		rule("fast"):              "gate.yaml:3: require",
		rule("ns/op +5"):          "%",
		rule("ns/op <= 5 %"):      "%",
		rule("ns/op -5 %"):        "the other way",
		rule("events/s +5 %"):     "the other way",
		rule("ns/op >= 5"):        "good side",
		rule("events/s <= 5"):     "good side",
		rule("ns/op <= 0"):        "above 0",
		rule("events/s -100 %"):   "100 %",
		"rules:\n  - rows: \"(\"": "gate.yaml:2: rows",
	} {
		_, err := ParseGate("gate.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", text, err, want)
		}
	}
}

// evidence is of one row, moved from 100 by a factor.
func evidence(t *testing.T, unit string, factor float64, n int) Evidence {
	t.Helper()
	old, new := side(Sample{Row: "A-1", Unit: unit, Values: drawn(1, n, 100)}), side(Sample{Row: "A-1", Unit: unit, Values: drawn(2, n, 100*factor)})
	c, err := Compare(old, new, Alpha)
	if err != nil {
		t.Fatal(err)
	}
	return Evidence{Comparison: c, New: new, Host: fit, Interleaved: true}
}

func TestGateRelative(t *testing.T) {
	for _, c := range []struct {
		name   string
		unit   string
		rule   string
		factor float64
		n      int
		band   float64
		host   record.Fitness
		apart  bool // not interleaved
		want   string
	}{
		{"slower", "ns/op", "ns/op +5 %", 1.2, 10, 0, fit, false, record.Fail},
		{"faster", "ns/op", "ns/op +5 %", 0.8, 10, 0, fit, false, record.Pass},
		{"the same", "ns/op", "ns/op +5 %", 1, 10, 0, fit, false, record.Pass},
		{"significant, under the threshold", "ns/op", "ns/op +5 %", 1.03, 10, 0, fit, false, record.Pass},
		{"over the threshold, within the host's noise", "ns/op", "ns/op +5 %", 1.2, 10, 0.3, fit, false, record.Pass},
		{"over both", "ns/op", "ns/op +5 %", 1.4, 10, 0.3, fit, false, record.Fail},
		{"a rate that fell", "events/s", "events/s -5 %", 0.8, 10, 0, fit, false, record.Fail},
		{"a rate that rose", "events/s", "events/s -5 %", 1.2, 10, 0, fit, false, record.Pass},
		{"interleaved on a degraded host", "ns/op", "ns/op +5 %", 1.2, 10, 0, degraded, false, record.Fail},
		{"not interleaved on a degraded host", "ns/op", "ns/op +5 %", 1.2, 10, 0, degraded, true, record.Inconclusive},
		{"not interleaved on a fit host", "ns/op", "ns/op +5 %", 1.2, 10, 0, fit, true, record.Fail},
		{"too few trials to show anything", "ns/op", "ns/op +5 %", 3, 3, 0, fit, false, record.NotMeasured},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := evidence(t, c.unit, c.factor, c.n)
			e.Host, e.Interleaved = c.host, !c.apart
			e.Bands = Bands{{"A-1", c.unit}: c.band}
			findings := parsed(t, c.rule).Hold(e)
			if len(findings) != 1 || findings[0].Verdict != c.want {
				t.Errorf("%+v, want %s", findings, c.want)
			}
		})
	}
}

func TestGateAbsolute(t *testing.T) {
	for _, c := range []struct {
		rule string
		host record.Fitness
		want string
	}{
		{"ns/op <= 150", fit, record.Pass},
		{"ns/op <= 90", fit, record.Fail},
		{"ns/op <= 90", degraded, record.Inconclusive},
	} {
		e := evidence(t, "ns/op", 1, 10)
		e.Host = c.host
		if f := parsed(t, c.rule).Hold(e); len(f) != 1 || f[0].Verdict != c.want {
			t.Errorf("%s on %s: %+v, want %s", c.rule, c.host.Verdict, f, c.want)
		}
	}
}

func TestConfirm(t *testing.T) {
	f := func(row, verdict string) record.Finding {
		return record.Finding{Rule: "r", Row: row, Unit: "u", Verdict: verdict}
	}
	first := []record.Finding{f("a", record.Fail), f("b", record.Fail), f("c", record.Fail), f("d", record.Pass), f("e", record.Fail)}
	got := Confirm(first, []record.Finding{f("a", record.Fail), f("b", record.Pass), f("d", record.Fail), f("e", record.Inconclusive)})
	var verdicts []string
	for _, x := range got {
		verdicts = append(verdicts, x.Verdict)
	}
	if want := []string{record.Fail, record.Pass, record.NotMeasured, record.Pass, record.Inconclusive}; !slices.Equal(verdicts, want) {
		t.Errorf("%q, want %q", verdicts, want)
	}
	if first[1].Verdict != record.Fail {
		t.Error("the first findings were written to")
	}
	if rows := Suspects(first); !slices.Equal(rows, []string{"a", "b", "c", "e"}) {
		t.Errorf("suspects %q", rows)
	}
}

func TestOutcome(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(e *Evidence)
		rule   string
		want   string
	}{
		{"nothing changed", func(*Evidence) {}, "ns/op +5 %", record.Pass},
		{"missed", func(*Evidence) {}, "ns/op <= 50", record.Fail},
		{"unfit", func(e *Evidence) { e.Host = unfit }, "ns/op +5 %", record.Unfit},
		{"missed, unfit", func(e *Evidence) { e.Host = unfit }, "ns/op <= 50", record.Unfit},
		{"missed, degraded", func(e *Evidence) { e.Host = degraded }, "ns/op <= 50", record.Inconclusive},
		{"a row is missing", func(e *Evidence) { e.Comparison.Missing = []string{"B-1"} }, "ns/op +5 %", record.NotMeasured},
		{"a rule covers nothing", func(*Evidence) {}, "p99-ns +5 %", record.NotMeasured},
		{"no rows", func(e *Evidence) { e.Comparison.Changes, e.New = nil, Side{} }, "ns/op +5 %", record.NotMeasured},
	} {
		e := evidence(t, "ns/op", 1, 10)
		c.change(&e)
		g := parsed(t, c.rule)
		if got := g.Outcome(e, g.Hold(e)); got.Verdict != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

func TestDefaultGateCoversEveryUnit(t *testing.T) {
	g := DefaultGate()
	e := evidence(t, "p99-ns", 1.2, 10)
	if f := g.Hold(e); len(f) != 1 || f[0].Verdict != record.Fail {
		t.Errorf("%+v", f)
	}
}

// Clopper and Pearson's table: 0 of 300 leaves up to 1.22 %, 1 of 300 is 0.008 to
// 1.84 %, 10 of 20 is 27.2 to 72.8 %.
func TestRate(t *testing.T) {
	for _, c := range []struct {
		hits, of  int
		low, high float64
	}{{0, 300, 0, 0.01222}, {1, 300, 0.0000844, 0.01843}, {10, 20, 0.27196, 0.72804}, {300, 300, 0.98778, 1}} {
		r := newRate(c.hits, c.of)
		if math.Abs(r.Low-c.low) > 1e-4 || math.Abs(r.High-c.high) > 1e-4 {
			t.Errorf("%d of %d: %.5f to %.5f, want %v to %v", c.hits, c.of, r.Low, r.High, c.low, c.high)
		}
	}
}

// noisy is a bank of rows whose pairs scatter by two percent, one in eight by ten
// times that; factor slows the first row down.
func noisy(seed uint64, factor float64) Bank {
	r := rand.New(rand.NewPCG(seed, 3))
	var bank Bank
	for row := range 8 {
		b := BankRow{Cell: Cell{string(rune('A'+row)) + "-1", "ns/op"}}
		center := 0.0
		if row == 0 {
			center = math.Log(factor)
		}
		for pair := range 60 {
			spread := 0.02
			if pair%8 == 0 {
				spread = 0.2
			}
			b.Ratios = append(b.Ratios, center+spread*r.NormFloat64())
		}
		bank = append(bank, b)
	}
	return bank
}

// On rows with two percent of noise the gate is silent about nothing and finds ten
// percent; without the threshold it would cry wolf over four.
func TestDrill(t *testing.T) {
	still := noisy(1, 1)
	d := Drill{Gate: DefaultGate(), Pairs: DuetPairs, Trials: 100, Seed: 1}
	quiet, err := d.Run(still, "")
	if err != nil || quiet.Hits > 1 {
		t.Errorf("%d false alarms in %d (%v)", quiet.Hits, quiet.Of, err)
	}
	slow, err := d.Run(still.With("A-1", noisy(2, 1.10)), "A-1")
	if err != nil || slow.Low < 0.9 {
		t.Errorf("10 %% is found %d times in %d (%v)", slow.Hits, slow.Of, err)
	}
	if other, err := d.Run(noisy(2, 1.10), "B-1"); err != nil || other.Hits > 1 {
		t.Errorf("10 %% in another row is found %d times in %d (%v)", other.Hits, other.Of, err)
	}
	eager := d
	eager.Gate.Rules = parsed(t, "ns/op +0.0001 %").Rules
	if small, err := d.Run(noisy(2, 1.04), ""); err != nil || small.Hits > 1 {
		t.Errorf("4 %%, which is allowed, is found %d times in %d (%v)", small.Hits, small.Of, err)
	}
	if wolf, err := eager.Run(noisy(2, 1.04), ""); err != nil || wolf.Hits < 50 {
		t.Errorf("without threshold only %d alarms in %d (%v): the test shows nothing", wolf.Hits, wolf.Of, err)
	}
	for name, bad := range map[string]Bank{"no rows": nil, "few pairs": {{Cell: still[0].Cell, Ratios: still[0].Ratios[:2*DuetPairs-1]}}} {
		if _, err := d.Run(bad, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The band of a row is what it moves by when nothing has changed: 95 of 100 lie
// within it, give or take what so few runs can tell; of pairs and of sides that
// know nothing of each other.
func TestNoiseBand(t *testing.T) {
	const tries = 300
	r := rand.New(rand.NewPCG(9, 9))
	runs := func(n int) (all []float64) {
		for range n {
			all = append(all, math.Exp(0.02*r.NormFloat64()))
		}
		return all
	}
	for _, turns := range []string{"", "same"} {
		within := 0
		for seed := range uint64(tries) {
			old, new := side(processesOf("A-1", runs(10))), side(processesOf("A-1", runs(10)))
			old.Turns, new.Turns = turns, turns
			c, err := Compare(old, new, Alpha)
			if err != nil {
				t.Fatal(err)
			}
			if Apart(c.Changes[0]) <= noise(old, new, seed)[Cell{"A-1", "ns/op"}] {
				within++
			}
		}
		if share := float64(within) / tries; share < 0.88 {
			t.Errorf("turns %q: %.3f within their band", turns, share)
		}
	}
	one := side(processesOf("A-1", runs(1)))
	if len(noise(one, one, 1)) != 0 {
		t.Error("one run has a band")
	}
}

// What is not gated does not make the family larger: a row that changed is found
// among a hundred that no rule is about.
func TestFamilyIsWhatIsGated(t *testing.T) {
	old, new := side(), side()
	for i := range uint64(100) {
		name := "Other" + string(rune('A'+i%26)) + string(rune('A'+i/26)) + "-1"
		old.Add(Sample{Row: name, Unit: "events/s", Values: drawn(2*i, 6, 5)})
		new.Add(Sample{Row: name, Unit: "events/s", Values: drawn(2*i+1, 6, 5)})
	}
	old.Add(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(1000, 6, 10)})
	new.Add(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(1001, 6, 12)})
	g := parsed(t, "ns/op +5 %")
	e, err := g.Evidence(old, new, fit, 1)
	if err != nil || len(e.Comparison.Changes) != 1 {
		t.Fatalf("%d tests, %v", len(e.Comparison.Changes), err)
	}
	if f := g.Hold(e); f[0].Verdict != record.Fail || f[0].Band == 0 {
		t.Errorf("%+v", f)
	}
}

// Of twenty at 5 %: none in 0.358, one at most in 0.736, two in 0.925, three in
// 0.984 (tables of the binomial distribution).
func TestChance(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 0, 20: 3, 100: 9} {
		if got := Chance(n, 0.05); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}
