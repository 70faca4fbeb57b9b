package record

import (
	"reflect"
	"testing"
)

// trialOf is a valid trial of a process.
func trialOf(process int, values ...Value) Trial {
	return Trial{N: 10, Process: process, Values: values}
}

func ns(v float64) Value { return Value{Unit: "ns/op", Value: v} }

// Trials of one process count once, by their median: three processes are three
// runs, however many trials they made.
func TestCounted(t *testing.T) {
	bad := trialOf(2, ns(1000))
	bad.Invalid = "broken"
	for _, c := range []struct {
		name   string
		trials []Trial
		want   []float64
	}{
		{"one process", []Trial{trialOf(0, ns(1)), trialOf(0, ns(2))}, []float64{1, 2}},
		{"three", []Trial{trialOf(1, ns(3)), trialOf(1, ns(1)), trialOf(1, ns(90)), bad, trialOf(2, ns(4)), trialOf(2, ns(5)), trialOf(3, ns(6))}, []float64{3, 4.5, 6}},
		{"a unit that one trial lacks", []Trial{trialOf(1, ns(1)), trialOf(1, Value{Unit: "other", Value: 1}), trialOf(2, ns(2))}, []float64{2}},
		{"nothing valid", []Trial{bad}, nil},
	} {
		row := Row{Trials: c.trials}
		if got := row.Values("ns/op"); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := (Row{Trials: []Trial{trialOf(1, ns(3)), trialOf(1, ns(1))}}).Counted(); len(got) != 1 || got[0].N != 20 || got[0].Process != 1 {
		t.Errorf("%+v", got)
	}
}
