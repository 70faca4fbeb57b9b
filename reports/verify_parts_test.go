package reports

import (
	"slices"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// partedRow is a row of 1,000 events whose legs, and whose stages, sum to the whole.
func partedRow(t *testing.T) record.Row {
	t.Helper()
	row := record.Row{Workload: "pipeline", Waterfalls: []record.Waterfall{{Name: "typical", Whole: 115, Spans: []record.Span{{Stage: "ingest", Kind: record.Work, Ns: 25}, {Stage: "lane", Kind: record.Wait, Ns: 90}}}}}
	for _, d := range []struct {
		name, part string
		ns         int64
	}{
		{"intended-stored", "", 1000}, {"intended-stored" + record.Undisturbed, "", 7},
		{"generator late", record.Leg, 100}, {"admission", record.Leg, 200}, {record.QueueWaits, record.Leg, 300}, {record.ServiceTimes, record.Leg, 400},
		{"ingest", record.Work, 150}, {"lane", record.Wait, 300}, {"storer", record.Work, 250},
	} {
		row.Distributions = append(row.Distributions, parted(t, d.name, d.part, d.ns, 1000))
	}
	return row
}

func parted(t *testing.T, name, part string, ns int64, events int64) record.Distribution {
	t.Helper()
	hist := hdrhistogram.New(1, 1e9, 3)
	if err := hist.RecordValues(ns, events); err != nil {
		t.Fatal(err)
	}
	d := judge.NewDistribution(name, hist)
	d.Part = part
	return d
}

// TestVerifyHoldsPartsAgainstTheWhole: a leg or a stage that takes another time,
// one of other events, and a span that was edited are each found.
func TestVerifyHoldsPartsAgainstTheWhole(t *testing.T) {
	if wrong := partsOf(partedRow(t)); wrong != nil {
		t.Fatal(wrong)
	}
	for _, c := range []struct {
		change func(*record.Row)
		want   string
	}{
		{func(r *record.Row) { r.Distributions[3] = parted(t, "admission", record.Leg, 230, 1000) }, "the parts of intended-stored take 1030 ns"},
		{func(r *record.Row) { r.Distributions[7] = parted(t, "lane", record.Wait, 270, 1000) }, "the parts of queue waits take 270 ns"},
		{func(r *record.Row) { r.Distributions[8] = parted(t, "storer", record.Work, 25, 1000) }, "the parts of service times take 175 ns"},
		{func(r *record.Row) { r.Distributions[2] = parted(t, "generator late", record.Leg, 100, 999) }, "generator late is of 999 events and the whole of 1000"},
		{func(r *record.Row) { r.Waterfalls[0].Spans[1].Ns = 91 }, "the spans of the typical event sum to 116 ns and it took 115"},
	} {
		row := partedRow(t)
		c.change(&row)
		if wrong := strings.Join(partsOf(row), "; "); !strings.Contains(wrong, c.want) {
			t.Errorf("%q, want .. %s", wrong, c.want)
		}
	}
	stamped := partedRow(t) // the legs are of other events than the row's figures
	stamped.Distributions[0] = parted(t, "intended-stored", "", 850, 7000)
	stamped.Distributions = slices.Insert(stamped.Distributions, 2, parted(t, "intended-stored"+record.Stamped, "", 1000, 1000))
	if wrong := partsOf(stamped); wrong != nil {
		t.Errorf("legs of stamped events: %v", wrong)
	}
	stamped.Distributions[2] = parted(t, "intended-stored"+record.Stamped, "", 850, 1000)
	if wrong := strings.Join(partsOf(stamped), "; "); !strings.Contains(wrong, "the parts of intended-stored-stamped take 1000 ns in the mean and it takes 850") {
		t.Errorf("legs that are not those of the stamped events: %q", wrong)
	}
	old := partedRow(t)
	old.Waterfalls[0].Whole = 0
	for i := range old.Distributions {
		old.Distributions[i].Part = ""
	}
	if wrong := partsOf(old); wrong != nil {
		t.Errorf("a record from before there were parts: %v", wrong)
	}
}
