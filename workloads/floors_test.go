package workloads

import (
	"strings"
	"testing"
)

func TestFloorMoved(t *testing.T) {
	for _, c := range []struct {
		before, after float64
		want          string
	}{
		{55, 60, ""}, {60, 90, ""}, {90, 60, ""},
		{55.2, 208, "55 ns before the trials, 208 ns after"},
		{208, 55.2, "208 ns before the trials, 55 ns after"},
	} {
		if got := strings.Join(floorMoved(c.before, c.after), "|"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v, then %v: %q", c.before, c.after, got)
		}
	}
}
