package reports

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/record"
)

// Histogram decodes the histogram of d.
func Histogram(d record.Distribution) (*hdrhistogram.Histogram, error) {
	hist, err := hdrhistogram.Decode([]byte(d.Encoded))
	if err != nil {
		return nil, fmt.Errorf("histogram %s does not decode: %w", d.Name, err)
	}
	return hist, nil
}

// hgrmTicks is how many lines the .hgrm has each time the distance to 100 %
// halves: the default of HdrHistogram's own tools.
const hgrmTicks = 5

// writeHgrm writes d as HdrHistogram's percentile text, in ns.
func writeHgrm(w io.Writer, d record.Distribution) error {
	hist, err := Histogram(d)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := hist.PercentilesPrint(&text, hgrmTicks, 1); err != nil {
		return err
	}
	_, err = text.WriteTo(w)
	return err
}

const barsWide = 24 // columns of a distribution drawn as text

var barSigns = []rune("▁▂▃▄▅▆▇█")

// bars draws d in a line of text: from its least to its greatest value in equal
// steps of the logarithm, each as high as the logarithm of its count. Empty
// where there is nothing to draw.
func bars(d record.Distribution) string {
	hist, err := Histogram(d)
	if err != nil || d.Count == 0 || d.Min <= 0 || d.Max <= d.Min {
		return ""
	}
	var counts [barsWide]float64
	most := 0.0
	for _, b := range hist.Distribution() {
		if b.Count > 0 {
			share := math.Log(float64(b.To)/float64(d.Min)) / math.Log(float64(d.Max)/float64(d.Min))
			i := min(max(int(share*barsWide), 0), barsWide-1)
			counts[i] += float64(b.Count)
			most = max(most, counts[i])
		}
	}
	line := []rune(strings.Repeat(" ", barsWide))
	for i, c := range counts {
		if c > 0 {
			line[i] = barSigns[int(math.Log1p(c)/math.Log1p(most)*float64(len(barSigns)-1))]
		}
	}
	return fmt.Sprintf("%s %s [%s] %s", d.Name, figure(float64(d.Min), "ns"), string(line), figure(float64(d.Max), "ns"))
}
