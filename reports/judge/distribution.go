package judge

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/record"
)

// NewDistribution is the latencies of hist, in ns, under name: its percentiles
// as far as its count bears them out (MaxPercentile) and the histogram
// itself, encoded. The samples are taken to be independent.
func NewDistribution(name string, hist *hdrhistogram.Histogram) record.Distribution {
	encoded, err := hist.EncodeV2()
	if err != nil { // it writes to memory only
		panic(fmt.Sprintf("judge: encoding histogram %s: %v", name, err))
	}
	d := record.Distribution{Name: name, Count: hist.TotalCount(), Encoded: string(encoded)}
	if d.Count == 0 {
		return d
	}
	d.Min, d.Max, d.Mean = hist.Min(), hist.Max(), hist.Mean()
	highest := MaxPercentile(d.Count)
	for _, p := range Ladder {
		if p <= highest {
			d.Percentiles = append(d.Percentiles, record.Percentile{Percent: p, Ns: hist.ValueAtPercentile(p)})
		}
	}
	return d
}
