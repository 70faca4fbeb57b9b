package workloads

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"eventstreamcore/engine"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/reports/record"
)

// modelled is a server of a known capacity, beyond which it is late, and whose
// host spoils a share of the trials.
func modelled(capacity, spoilt float64, r *rand.Rand) offering {
	return func(rate, share float64) (record.Load, error) {
		l := record.Load{Offered: rate, Achieved: min(rate, capacity), P50: 500, P99: 900}
		if rate > capacity {
			l.P50, l.P99 = 5_000_000, 9_000_000
		}
		if r.Float64() < spoilt {
			l.P99 = 3_000_000
		}
		return l, nil
	}
}

// TestCapacityIsFound holds the search to servers whose capacity is known, over
// all that can be met with, the host failing one trial of twenty.
func TestCapacityIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	within := 0
	const servers = 400
	for range servers {
		known := math.Exp(math.Log(3e4) + r.Float64()*math.Log(1.5e7/3e4))
		server := modelled(known, 0.05, r)
		first, err := estimate(publishedMost, byP99, server)
		if err != nil {
			t.Fatal(err)
		}
		found, err := refine(first, byP99, server)
		if err != nil || found > known {
			t.Fatalf("%.0f/s was found where %.0f is the most: %v", found, known, err)
		}
		if found > 0.93*known {
			within++
		}
	}
	if within < servers*9/10 {
		t.Errorf("%d of %d searches came within 7 %%", within, servers)
	}
}

// TestCapacityThatMoved is found where it went: a host that became slower, or
// faster, since the first idea of it.
func TestCapacityThatMoved(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, moved := range []float64{0.03, 0.1, 0.3, 0.6, 1, 1.5, 2} {
		const near = 3e6
		known := moved * near
		found, err := refine(near, byP99, modelled(known, 0, r))
		if err != nil || found > known || found < 0.85*known {
			t.Errorf("a capacity that went from %v to %v was found at %v: %v", near, known, found, err)
		}
	}
}

// TestRatesThatAreNotKept say in which way; what is shown beside the judged
// statistic does not judge.
func TestRatesThatAreNotKept(t *testing.T) {
	good := record.Load{Offered: 1e6, Achieved: 1e6, P50: 500, P99: 900, CalmP99: 800}
	for want, change := range map[string]func(*record.Load){
		"":                          func(l *record.Load) { l.CalmP99 = 1e9 },
		"30 % lost":                 func(l *record.Load) { l.LostShare = 0.3 },
		"taken at 80 % of the rate": func(l *record.Load) { l.Achieved = 8e5 },
		"P99 beyond 100 us":         func(l *record.Load) { l.P99 = 200_000 },
	} {
		l := good
		change(&l)
		if got := byP99.broken(l); got != want || byP99.kept(l) != (want == "") {
			t.Errorf("%+v: %q, kept is %v; want %q", l, got, byP99.kept(l), want)
		}
	}
	list := loads([]Outcome{{by: byP50, Loads: []record.Load{good, {Offered: 2e6, Achieved: 2e6, P50: 900, P99: 3e6, CalmP99: 5e4}, {Offered: 3e6, Achieved: 3e6, P50: 2e6, P99: 3e6, CalmP99: 2e6}}}})
	if !list[1].Knee || list[1].Broken != "" || list[2].Broken != "P50 beyond 100 us" {
		t.Errorf("%+v", list)
	}
	told := strings.Join(notes(list, Outcome{by: byP50, beyond: beyondHeld}), "; ")
	for _, want := range []string{"taken in full with P50", "even the P99 of no load", "by the undisturbed P99, shown and not judged, the curve's highest rate kept is 2e+06", "HEALTHY by design"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q does not say %q", told, want)
		}
	}
	if told := notes([]record.Load{{Offered: 1, Achieved: 1}}, Outcome{by: byP99})[1]; !strings.HasPrefix(told, "no rate") {
		t.Errorf("nobody watched for gaps, and %q", told)
	}
}

// TestPressureBeyondCapacity drives an engine that is slow on purpose at a rate
// that it cannot take: what it loses is counted, and the pressure is seen to rise.
func TestPressureBeyondCapacity(t *testing.T) {
	b := small(t)
	if len(b.Allowed) < 2 {
		t.Skip("needs two CPUs")
	}
	slow := process.Handler{Pattern: "bench/#", Handle: func(*process.Event) error {
		for until := cpu.Now() + b.Clock.Ticks(10_000); cpu.Now() < until; {
		}
		return nil
	}}
	p, err := b.newPacedRig(engine.Fused(b.Hot, duty.Spin), standardEvent(event.High, pipelinePayload), forCapacity, 1<<16, slow)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	const rate = 200_000 // twice what it can, at the most
	for range 3 {
		point, err := p.offer(b, rate, 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(point.Invalid, "generator itself") {
			continue // a busy machine
		}
		if point.Invalid != "" || point.Lost == 0 || point.State != "EMERGENCY" || byP99.kept(point) {
			t.Errorf("%+v", point)
		}
		break
	}
	calm, err := p.offer(b, 2000, 256)
	if err != nil || calm.Lost != 0 || calm.State == "EMERGENCY" && calm.Invalid == "" {
		t.Errorf("what came before is not forgotten: %+v, %v", calm, err)
	}
}

// TestCapacityThatIsNot: what keeps no rate has no capacity, and one that loses
// datagrams, or whose trials do not count, keeps none.
func TestCapacityThatIsNot(t *testing.T) {
	for what, point := range map[string]record.Load{
		"late": {P50: 1e9, P99: 1e9}, "loses": {LostShare: 0.01}, "invalid": {Invalid: "it was"}, "slow": {Achieved: -1e9},
	} {
		found, err := refine(1e6, byP99, func(rate, _ float64) (record.Load, error) {
			l := point
			l.Offered = rate
			l.Achieved += rate
			return l, nil
		})
		if err != nil || found != 0 {
			t.Errorf("%s: a capacity of %v, %v", what, found, err)
		}
	}
	broken := errors.New("broken")
	if _, err := estimate(1e6, byP99, func(float64, float64) (record.Load, error) { return record.Load{}, broken }); !errors.Is(err, broken) {
		t.Errorf("an error went unheard: %v", err)
	}
}
