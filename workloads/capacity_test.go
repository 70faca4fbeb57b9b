package workloads

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

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

// TestCapacityThatIsNot: what keeps no rate has no capacity, and one that loses
// datagrams, or whose trials do not count, keeps none.
func TestCapacityThatIsNot(t *testing.T) {
	for what, point := range map[string]record.Load{
		"late": {P50: 1e9, P99: 1e9}, "loses": {Lost: 1}, "invalid": {Invalid: "it was"}, "slow": {Achieved: -1e9},
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
