package reports

import (
	"fmt"
	"io"
	"math"
	"slices"

	"golang.org/x/perf/benchfmt"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// Bench writes run in the Go benchmark format, for benchstat and its kin: one
// line a trial that counts. Only what identifies hardware, topology and plan goes
// into the configuration, since a key that differs splits benchstat's tables. A
// value that is zero or not finite would spoil its tables and geometric means:
// a time of zero becomes the clock's resolution, anything else is left out.
func Bench(w io.Writer, run record.Run) error {
	out := benchfmt.NewWriter(w)
	for _, unit := range units(run.Rows) {
		if err := out.Write(direction(unit)); err != nil {
			return err
		}
	}
	config := configuration(run)
	for _, row := range run.Rows {
		for _, trial := range row.Counted() {
			result := &benchfmt.Result{Config: config, Name: benchfmt.Name(row.Benchmark()), Iters: int(max(trial.N, 1)), Values: benchValues(trial, run.Clock)}
			if len(result.Values) == 0 {
				continue
			}
			if err := out.Write(result); err != nil {
				return err
			}
		}
	}
	return nil
}

// units is every unit of rows whose direction benchstat does not know by
// itself, sorted.
func units(rows []record.Row) []string {
	known := []string{"ns/op", "B/s", "MB/s", "B/op", "allocs/op"}
	var all []string
	for _, row := range rows {
		for _, u := range row.Units() {
			if !slices.Contains(known, u) {
				all = append(all, u)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func direction(unit string) *benchfmt.UnitMetadata {
	better := "lower"
	if judge.MoreIsBetter(unit) {
		better = "higher"
	}
	return &benchfmt.UnitMetadata{
		UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit, Key: "better"},
		OrigUnit:        record.Token(unit), Value: better,
	}
}

// configuration is the lines that identify what was measured on.
func configuration(run record.Run) []benchfmt.Config {
	var config []benchfmt.Config
	for _, p := range run.Hardware() {
		config = append(config, benchfmt.Config{Key: p.Key, Value: []byte(p.Value), File: true})
	}
	return config
}

func benchValues(trial record.Trial, clock record.Clock) []benchfmt.Value {
	var values []benchfmt.Value
	for _, v := range trial.Values {
		if v.Value <= 0 && judge.IsNs(v.Unit) {
			v.Value = clock.ResolutionNs
		}
		if v.Value > 0 && !math.IsInf(v.Value, 0) {
			values = append(values, benchfmt.Value{Value: v.Value, Unit: record.Token(v.Unit)})
		}
	}
	return values
}

// writeInvalid writes the trials of row that do not count, each with why, so
// that they can be looked into and cannot be averaged in.
func writeInvalid(w io.Writer, run record.Run, row record.Row) error {
	out := benchfmt.NewWriter(w)
	for i, trial := range row.Trials {
		if trial.Invalid == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "# trial %d of %d is invalid: %s\n", i+1, len(row.Trials), printable(trial.Invalid)); err != nil {
			return err
		}
		result := &benchfmt.Result{Name: benchfmt.Name(row.Benchmark()), Iters: int(max(trial.N, 1)), Values: benchValues(trial, run.Clock)}
		if err := out.Write(result); err != nil {
			return err
		}
	}
	return nil
}
