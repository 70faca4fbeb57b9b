package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/record"
)

// writeHlog writes the latencies of row as an HdrHistogram log, V2: a line for
// each interval where the row has them, else one for each distribution. Times
// are absolute and no BaseTime is written, for readers would add it twice.
func writeHlog(w io.Writer, run record.Run, row record.Row) error {
	startMs, endMs := run.Started.UnixMilli(), run.Ended.UnixMilli()
	log := hdrhistogram.NewHistogramLogWriter(w)
	if err := log.OutputLogFormatVersion(); err != nil {
		return err
	}
	if err := log.OutputStartTime(startMs); err != nil {
		return err
	}
	if err := log.OutputLegend(); err != nil {
		return err
	}
	for _, d := range row.Distributions {
		lines := intervalsOf(row, d.Name)
		if len(lines) == 0 {
			lines = []record.Interval{{Name: d.Name, Ns: (endMs - startMs) * 1e6, Encoded: d.Encoded}}
		}
		for _, in := range lines {
			if err := hlogLine(log, startMs, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// intervalsOf is the intervals of row that are of a distribution and bring their
// histogram.
func intervalsOf(row record.Row, name string) []record.Interval {
	var all []record.Interval
	for _, in := range row.Intervals {
		if in.Name == name && in.Encoded != "" {
			all = append(all, in)
		}
	}
	return all
}

func hlogLine(log *hdrhistogram.HistogramLogWriter, startMs int64, in record.Interval) error {
	hist, err := hdrhistogram.Decode([]byte(in.Encoded))
	if err != nil {
		return fmt.Errorf("histogram of an interval of %s does not decode: %w", in.Name, err)
	}
	hist.SetTag(tag(in.Name))
	hist.SetStartTimeMs(startMs + in.StartNs/1e6)
	hist.SetEndTimeMs(startMs + (in.StartNs+in.Ns)/1e6)
	return log.OutputIntervalHistogram(hist)
}

// tag is name without what would end a tag.
func tag(name string) string {
	return strings.NewReplacer(",", "_", " ", "_", "\n", "_", "\r", "_", "=", "_").Replace(name)
}
