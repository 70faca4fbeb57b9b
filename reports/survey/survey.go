// Package survey shows what was found out about a machine: as text, as the files
// of a folder, as tables and figures.
//
// It takes the position that a survey is shown whole: each part that was measured
// has its place in every form, and one that was not is named with the reason. It
// measures nothing, judges nothing and opens no file: whoever has a survey says
// where it is written.
package survey

import (
	"encoding/json"
	"io"

	"eventstreamcore/probes"
	"eventstreamcore/reports/chart"
)

// File is one form of a survey, under the name that it has in a folder.
type File struct {
	Name  string
	Write func(io.Writer) error
}

// Files are the forms that the survey has: all of it as JSON and text, and each
// part as PART.csv and PART.svg where it can be drawn.
func Files(v probes.Survey) []File {
	files := []File{
		{"probe.json", func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", " ")
			return e.Encode(v)
		}},
		{"probe.txt", func(w io.Writer) error { return Text(w, v) }},
		{"floors.csv", func(w io.Writer) error { return floorsCSV(w, v) }},
	}
	if v.Topology != nil {
		files = append(files,
			File{"topology.json", func(w io.Writer) error { return json.NewEncoder(w).Encode(v.Topology) }},
			File{"topology.svg", func(w io.Writer) error { return drawMachine(w, v.Topology) }})
	}
	if v.Transfers != nil {
		files = append(files, File{"c2c.csv", v.Transfers.Matrix.WriteCSV}, File{"c2c.svg", drawn(hops(*v.Transfers))})
	}
	if len(v.Curves) > 0 {
		files = append(files, File{"memory.csv", func(w io.Writer) error { return curvesCSV(w, v.Curves) }}, File{"memory.svg", drawn(staircase(v.Curves, v.Topology))})
	}
	if len(v.Jitter) > 0 {
		files = append(files, File{"jitter.csv", func(w io.Writer) error { return jitterCSV(w, v) }})
	}
	if gaps := gapSeries(v); len(gaps) > 0 {
		files = append(files, File{"jitter.svg", drawn(chart.Strip("Jitter", "The longest gaps of a spinning thread, over the time it spun.", gaps))})
	}
	return files
}

// drawn writes a figure, or says why there is none.
func drawn(f *chart.Figure, err error) func(io.Writer) error {
	return func(w io.Writer) error {
		if err != nil {
			return err
		}
		return f.SVG(w)
	}
}
