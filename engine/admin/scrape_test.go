package admin

import (
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"eventstreamcore/engine/metrics"
)

func (r *rig) scrape() map[string]*dto.MetricFamily {
	r.t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(r.get("/metrics")))
	if err != nil {
		r.t.Fatal(err)
	}
	return families
}

func TestScrapeHasTheOriginalsNames(t *testing.T) {
	r := running(t, Config{})
	const n = 1000
	r.publish(n)
	r.settle(n)
	got := r.scrape()
	for name, kind := range map[string]dto.MetricType{
		"events_received_total": dto.MetricType_COUNTER, "events_processed_total": dto.MetricType_COUNTER,
		"queue_depth_realtime": dto.MetricType_GAUGE, "queue_depth_transactional": dto.MetricType_GAUGE, "queue_depth_batch": dto.MetricType_GAUGE,
		"latency_ns_realtime": dto.MetricType_HISTOGRAM, "latency_ns_transactional": dto.MetricType_HISTOGRAM, "latency_ns_batch": dto.MetricType_HISTOGRAM,
		"esc_events_settled_total": dto.MetricType_COUNTER, "events_dropped_total": dto.MetricType_COUNTER, "dedup_hits": dto.MetricType_COUNTER,
		"backpressure_drops": dto.MetricType_COUNTER, "esc_events_dropped_total": dto.MetricType_COUNTER, "esc_dedup_held_seconds": dto.MetricType_GAUGE, "esc_latency_seconds": dto.MetricType_HISTOGRAM, "esc_pipeline_state": dto.MetricType_GAUGE,
		"esc_thread_cpu_seconds_total": dto.MetricType_COUNTER, "esc_ready": dto.MetricType_GAUGE,
		"esc_log_sequence": dto.MetricType_GAUGE, "esc_log_syncs_total": dto.MetricType_COUNTER, "esc_log_written_bytes_total": dto.MetricType_COUNTER,
		"esc_log_segments": dto.MetricType_GAUGE, "esc_log_rotated_total": dto.MetricType_COUNTER, "esc_log_disk_free_bytes": dto.MetricType_GAUGE, "esc_build_info": dto.MetricType_GAUGE,
		"process_resident_memory_bytes": dto.MetricType_GAUGE, "go_goroutines": dto.MetricType_GAUGE,
	} {
		family, ok := got[name]
		if !ok || family.GetType() != kind {
			t.Errorf("%s: %v, want a %v", name, family, kind)
		}
	}
	if v := got["events_received_total"].Metric[0].Counter.GetValue(); v != n {
		t.Errorf("received %v, want %d", v, n)
	}
	if v := got["events_processed_total"].Metric[0].Counter.GetValue(); v != n {
		t.Errorf("processed %v, want %d", v, n)
	}
	var settled, states float64
	for _, m := range got["esc_events_settled_total"].Metric {
		settled += m.Counter.GetValue()
	}
	if settled != n {
		t.Errorf("%v events have met their fate, want %d", settled, n)
	}
	for _, m := range got["esc_pipeline_state"].Metric {
		states += m.Gauge.GetValue()
	}
	if states != 1 {
		t.Errorf("in %v states at once", states)
	}
}

// TestHistogramsAgree: buckets rise to the count, in both units alike, and the
// sum is that of the events.
func TestHistogramsAgree(t *testing.T) {
	r := running(t, Config{})
	r.publish(2000)
	r.settle(2000)
	got := r.scrape()
	ns := got["latency_ns_realtime"].Metric[0].Histogram
	var seconds *dto.Histogram
	for _, m := range got["esc_latency_seconds"].Metric {
		if m.Label[0].GetValue() == "realtime" && m.Label[1].GetValue() == "processed" {
			seconds = m.Histogram
		}
	}
	if seconds.GetSampleCount() != 800 || ns.GetSampleCount() != 800 { // 2 of 5 priorities
		t.Fatalf("counts %d and %d, want 800", seconds.GetSampleCount(), ns.GetSampleCount())
	}
	if math.Abs(ns.GetSampleSum()/1e9-seconds.GetSampleSum()) > 1e-9 || ns.GetSampleSum() <= 0 {
		t.Errorf("sums %v ns and %v s", ns.GetSampleSum(), seconds.GetSampleSum())
	}
	var last uint64
	for i, b := range ns.Bucket {
		if b.GetCumulativeCount() < last || b.GetCumulativeCount() != seconds.Bucket[i].GetCumulativeCount() {
			t.Errorf("bucket to %v: %d after %d, in seconds %d", b.GetUpperBound(), b.GetCumulativeCount(), last, seconds.Bucket[i].GetCumulativeCount())
		}
		last = b.GetCumulativeCount()
	}
	if len(ns.Bucket) < len(bounds) || !slices.IsSorted(bounds) {
		t.Errorf("%d buckets of %d sorted bounds", len(ns.Bucket), len(bounds))
	}
}

func TestSpreadCountsUpToEachBound(t *testing.T) {
	var h metrics.Histogram
	h.RecordN(90, 2)
	h.RecordN(90_000, 3)
	for name, unit := range map[string]float64{"a_seconds": 1e9, "a_ns": 1} {
		sum, buckets := spread(metrics.Reading{Name: name, Spread: h.Snapshot()})
		if sum != 270_180/unit || buckets[100/unit] != 2 || buckets[50_000/unit] != 2 || buckets[100_000/unit] != 5 || len(buckets) != len(bounds) {
			t.Errorf("%s: sum %v, buckets %v", name, sum, buckets)
		}
	}
}

// originals may break Prometheus' rules of naming, for their names are kept.
var originals = []string{"latency_ns_", "dedup_hits", "backpressure_drops", "queue_depth_"}

func TestNamesAreLinted(t *testing.T) {
	r := running(t, Config{})
	problems, err := promlint.New(strings.NewReader(r.get("/metrics"))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !slices.ContainsFunc(originals, func(kept string) bool { return strings.HasPrefix(p.Metric, kept) }) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestScrapeTakesTheCallersRegistry(t *testing.T) {
	extra := new(metrics.Registry)
	extra.Add(func(emit func(metrics.Reading)) {
		emit(metrics.Reading{Name: "extra_total", Help: "More.", Value: 3, Labels: []metrics.Label{{Name: "who", Value: "a\"b\n\\"}}})
		emit(metrics.Reading{Name: "Wrong", Help: "Left out."})
	})
	var said strings.Builder
	r := running(t, Config{Registry: extra})
	got := r.scrape()
	m := got["extra_total"].GetMetric()
	if len(m) != 1 || m[0].Counter.GetValue() != 3 || m[0].Label[0].GetValue() != "a\"b\n\\" {
		t.Errorf("extra %v", m)
	}
	if got["Wrong"] != nil || got["events_received_total"] == nil {
		t.Error("one wrong reading is left out, and it alone")
	}
	collector{extra, slog.New(slog.NewTextHandler(&said, nil))}.Collect(make(chan<- prometheus.Metric, 8))
	if !strings.Contains(said.String(), "Wrong") {
		t.Errorf("nothing is said of the wrong one: %s", said.String())
	}
}

// The engine's own readings must all be well formed.
func TestReadingsAreClean(t *testing.T) {
	r := running(t, Config{})
	var all metrics.Registry
	all.Add(r.read)
	if _, err := all.Gather(); err != nil {
		t.Error(err)
	}
}
