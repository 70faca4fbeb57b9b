package judge

import "testing"

func TestSamplesFor(t *testing.T) {
	for _, c := range []struct {
		percent float64
		want    int64
	}{{50, 7}, {90, 36}, {99, 368}, {99.9, 3_688}, {99.99, 36_888}, {99.999, 368_887}} {
		if got := SamplesFor(c.percent); got != c.want {
			t.Errorf("p%v needs %d, want %d", c.percent, got, c.want)
		}
	}
}

func TestMaxPercentile(t *testing.T) {
	for _, c := range []struct {
		n    int64
		want float64
	}{{0, 0}, {6, 0}, {7, 50}, {367, 95}, {368, 99}, {3_687, 99}, {3_688, 99.9}, {36_887, 99.9}, {36_888, 99.99}, {1 << 40, 99.9999}} {
		if got := MaxPercentile(c.n); got != c.want {
			t.Errorf("%d samples bear out p%v, want p%v", c.n, got, c.want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 368: "368", 3_688: "3,688", 36_888: "36,888", 1_000_007: "1,000,007"} {
		if got := Grouped(n); got != want {
			t.Errorf("%d reads %s", n, got)
		}
	}
}
