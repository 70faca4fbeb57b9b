package reports

import (
	"bytes"
	"fmt"
	"io"

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
