package metrics

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBucketsTileTheRange(t *testing.T) {
	next := int64(0)
	for i := range Buckets {
		low, high := Bounds(i)
		if low != next || high < low {
			t.Fatalf("bucket %d is [%d, %d], want it to start at %d", i, low, high, next)
		}
		if bucketOf(uint64(low)) != i || bucketOf(uint64(high)) != i {
			t.Fatalf("bucket %d [%d, %d] does not hold its own bounds", i, low, high)
		}
		next = high + 1
	}
	if next != 1<<maxBits {
		t.Errorf("the last bucket ends at %d, want 2^%d", next, maxBits)
	}
}

// TestQuantileAgainstSorted holds the histogram against a sorted slice.
func TestQuantileAgainstSorted(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	h := new(Histogram)
	values := make([]int64, 20_000)
	for i := range values {
		values[i] = int64(random.Uint64() >> (24 + random.IntN(39)))
		h.Record(values[i])
	}
	slices.Sort(values)
	s := h.Snapshot()
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		want := values[max(int(q*float64(len(values))+0.5), 1)-1]
		got := s.Quantile(q)
		if got < want || float64(got) > float64(want)*1.016+1 {
			t.Errorf("quantile %v = %d, want %d to 1.6 %% more", q, got, want)
		}
	}
	if s.Count != uint64(len(values)) || s.Max != values[len(values)-1] {
		t.Errorf("count %d max %d, want %d and %d", s.Count, s.Max, len(values), values[len(values)-1])
	}
}

func TestRecordAtTheEnds(t *testing.T) {
	h := new(Histogram)
	h.Record(-5)
	h.RecordN(1<<50, 3)
	s := h.Snapshot()
	if s.Counts[0] != 1 || s.Counts[Buckets-1] != 3 {
		t.Errorf("ends hold %d and %d, want 1 and 3", s.Counts[0], s.Counts[Buckets-1])
	}
}

func TestTraceCountsWhatItMissed(t *testing.T) {
	trace := NewTrace(2)
	for id := range uint64(5) {
		trace.Add(Sample{ID: id})
	}
	if len(trace.Samples()) != 2 || trace.Missed != 3 {
		t.Errorf("kept %d, missed %d, want 2 and 3", len(trace.Samples()), trace.Missed)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	h, c, trace := new(Histogram), new(Counter), NewTrace(2000)
	if n := testing.AllocsPerRun(1000, func() { h.RecordN(77, 3); c.Add(1); trace.Add(Sample{}) }); n != 0 {
		t.Errorf("%v allocations a record, want 0", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	h := new(Histogram)
	for b.Loop() {
		h.RecordN(1234, 1)
	}
}
