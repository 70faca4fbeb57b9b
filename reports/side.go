package reports

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/perf/benchfmt"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// LoadSide reads one side of a comparison: a folder of results, or a file in
// the Go benchmark format from anywhere.
func LoadSide(path string) (judge.Side, error) {
	info, err := os.Stat(path)
	if err != nil {
		return judge.Side{}, fmt.Errorf("reading results: %w", err)
	}
	if !info.IsDir() {
		return benchSide(path)
	}
	run, err := Load(path)
	if err != nil {
		return judge.Side{}, err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil { // "latest" says less than where it points
		path = real
	}
	return judge.SideOf(filepath.Base(path), run), nil
}

// benchSide reads a file of benchmark lines. Its configuration is taken for what
// identifies the hardware, as it is in the files written here.
func benchSide(path string) (side judge.Side, err error) {
	file, err := os.Open(path)
	if err != nil {
		return side, fmt.Errorf("reading results: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	side.Name = filepath.Base(path)
	r := benchfmt.NewReader(file, path)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			return side, fmt.Errorf("reading results: %w", rec)
		case *benchfmt.Result:
			if err := addConfig(&side, rec); err != nil {
				return side, err
			}
			for _, v := range rec.Values {
				unit, value := v.Unit, v.Value
				if v.OrigUnit != "" { // benchfmt made ns seconds
					unit, value = v.OrigUnit, v.OrigValue
				}
				side.Add(judge.Sample{Row: string(rec.Name), Unit: unit, Values: []float64{value}})
			}
		}
	}
	if err := r.Err(); err != nil {
		return side, fmt.Errorf("reading results: %w", err)
	}
	if len(side.Samples) == 0 {
		return side, fmt.Errorf("%s holds no benchmark line (is it a bench.txt, or a folder of results?)", path)
	}
	return side, nil
}

// addConfig adds what the file says of the machine. One file of two machines is
// no side.
func addConfig(side *judge.Side, result *benchfmt.Result) error {
	for _, c := range result.Config {
		if !c.File {
			continue
		}
		p := record.Param{Key: c.Key, Value: string(c.Value)}
		if slices.Contains(side.Hardware, p) {
			continue
		}
		if i := slices.IndexFunc(side.Hardware, func(have record.Param) bool { return have.Key == p.Key }); i >= 0 && p.Key != record.PlanKey {
			return fmt.Errorf("%s holds results of two machines, %s %s and %s: take one of them", side.Name, p.Key, side.Hardware[i].Value, p.Value)
		}
		side.Hardware = append(side.Hardware, p)
	}
	return nil
}
