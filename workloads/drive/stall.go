package drive

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// FollowsStall holds latencies in ns, counted from intended times, to what one
// stall makes of events at a constant rate: the i-th slowest waited for all of it
// but i periods. It allows for the histogram's precision, a period, and the noise
// in ns. By it the senders, here and in the process, are proved not to hide a stall.
func FollowsStall(h *hdrhistogram.Histogram, rate float64, stall time.Duration, noise float64) error {
	period := 1e9 / rate
	for _, percent := range []float64{10, 50, 75, 90, 95, 99, 99.9} {
		slower := float64(h.TotalCount()) * (1 - percent/100)
		want := max(float64(stall.Nanoseconds())-slower*period, 0)
		got := float64(h.ValueAtPercentile(percent))
		if tolerance := want/1000 + period + noise; math.Abs(got-want) > tolerance {
			return fmt.Errorf("p%g is %.0f ns, theory says %.0f +- %.0f", percent, got, want, tolerance)
		}
	}
	return nil
}
