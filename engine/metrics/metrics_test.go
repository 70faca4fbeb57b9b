package metrics

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"eventstreamcore/engine/cpu"
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

// TestStagesAreFoundByHandle: of two threads of a stage, in whatever order they
// noted, and the last time where a handle came round; what was dropped on the way
// is nobody's.
func TestStagesAreFoundByHandle(t *testing.T) {
	trace := NewStagedTrace(8)
	one, other := trace.Stage(Routed), trace.Stage(Routed)
	one.list = append(one.list, mark{7, 10}, mark{9, 20}, mark{7, 50})
	other.list = append(other.list, mark{8, 15}, mark{6, 30}, mark{7, 90})
	for _, s := range []Sample{{Handle: 8, Stored: 35}, {Handle: 7, Stored: 40}, {Handle: 7, Stored: 60}, {Handle: 9, Stored: 60}, {Handle: 5, Stored: 61}, {Handle: 7, Stored: 95}} {
		trace.Add(s)
	}
	for range 2 { // asking changes nothing
		for i, want := range []cpu.Ticks{15, 10, 50, 20, 0, 90} {
			if got := trace.Samples()[i]; got.Routed != want || got.Offered != 0 {
				t.Errorf("sample %d was routed at %d, want %d", i, got.Routed, want)
			}
		}
	}
	trace.Reset()
	trace.Add(Sample{Handle: 7, Stored: 99})
	if at := trace.Samples()[0].Routed; at != 0 {
		t.Errorf("routed at %d, in a run that is over", at)
	}
}

// TestStagesNoteOnlyWhatIsWanted, and no more than there is room for.
func TestStagesNoteOnlyWhatIsWanted(t *testing.T) {
	var none *Trace
	for _, trace := range []*Trace{none, NewTrace(4)} {
		if m := trace.Stage(Taken); m != nil {
			t.Errorf("%+v has a log of a stage", trace)
		}
	}
	Note[uint64](nil, []uint64{1})
	trace := NewStagedTrace(3)
	m := trace.Stage(Taken)
	before := cpu.Now()
	Note(m, []uint64{1, 2})
	Note(m, []uint64{3, 4})
	if len(m.list) != 3 || m.list[2].handle != 3 || m.list[0].at < before || m.list[2].at < m.list[1].at {
		t.Errorf("%+v", m.list)
	}
}

// TestLogsShareNoLine: what one thread writes lies two lines from what another may.
func TestLogsShareNoLine(t *testing.T) {
	var m Marks
	before, behind := unsafe.Offsetof(m.list), unsafe.Sizeof(m)-unsafe.Offsetof(m.silent)-unsafe.Sizeof(m.silent)
	if least := unsafe.Sizeof(cpu.Pad{}); before < least || behind < least {
		t.Errorf("%d bytes before and %d behind what is written, want %d", before, behind, least)
	}
}

// TestARunWithoutStamps: stages note nothing in it, those that came late neither,
// and all again in the next one that wants them.
func TestARunWithoutStamps(t *testing.T) {
	trace := NewStagedTrace(3)
	early := trace.Stage(Taken)
	trace.Stamp(false)
	late := trace.Stage(Routed)
	for _, want := range []int{0, 1} {
		trace.Reset()
		Note(early, []uint64{1})
		Note(late, []uint64{1})
		if len(early.list) != want || len(late.list) != want || trace.Staged() != (want > 0) {
			t.Errorf("%d and %d marks, staged %v; want %d", len(early.list), len(late.list), trace.Staged(), want)
		}
		trace.Stamp(true)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	h, c, trace := new(Histogram), new(Counter), NewStagedTrace(2000)
	taken, handles := trace.Stage(Taken), []uint64{1}
	if n := testing.AllocsPerRun(1000, func() { h.RecordN(77, 3); c.Add(1); trace.Add(Sample{}); Note(taken, handles) }); n != 0 {
		t.Errorf("%v allocations a record, want 0", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	h := new(Histogram)
	for b.Loop() {
		h.RecordN(1234, 1)
	}
}
