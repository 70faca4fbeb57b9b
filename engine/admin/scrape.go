package admin

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"eventstreamcore/engine/metrics"
)

const scrapesAtOnce = 4

// scraped is the handler of /metrics: the engine's readings, those of the
// caller's registry, and the usual ones of the process and of Go.
func (s *Server) scraped() http.Handler {
	readings := new(metrics.Registry)
	readings.Add(s.read)
	all := []*metrics.Registry{readings}
	if s.config.Registry != nil {
		all = append(all, s.config.Registry)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, r := range all {
		registry.MustRegister(collector{r, s.config.Log})
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelError),
		MaxRequestsInFlight: scrapesAtOnce,
	})
}

// collector turns readings into Prometheus' metrics.
type collector struct {
	registry *metrics.Registry
	log      *slog.Logger
}

// Describe says nothing, which makes the collector one whose metrics are known
// only when they are collected.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends what can be read now.
func (c collector) Collect(to chan<- prometheus.Metric) {
	readings, err := c.registry.Gather()
	if err != nil {
		c.log.Error("some metrics cannot be scraped", "err", err)
	}
	for _, r := range readings {
		to <- metric(r)
	}
}

func metric(r metrics.Reading) prometheus.Metric {
	var names, values []string
	for _, l := range r.Labels {
		names, values = append(names, l.Name), append(values, l.Value)
	}
	desc := prometheus.NewDesc(r.Name, r.Help, names, nil)
	var m prometheus.Metric
	var err error
	switch r.Kind {
	case metrics.Spread:
		sum, buckets := spread(r)
		m, err = prometheus.NewConstHistogram(desc, r.Spread.Count, sum, buckets, values...)
	case metrics.Count:
		m, err = prometheus.NewConstMetric(desc, prometheus.CounterValue, r.Value, values...)
	default:
		m, err = prometheus.NewConstMetric(desc, prometheus.GaugeValue, r.Value, values...)
	}
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

// bounds are the histograms' in ns, in steps of 2 to 2.5, the SLAs among them. A
// histogram knows its values to 1.6 %, so that those just under a bound may be
// counted above it.
var bounds = []int64{
	100, 250, 500,
	1e3, 25e2, 5e3, 1e4, 25e3, 5e4, 1e5, 25e4, 5e5,
	1e6, 25e5, 5e6, 1e7, 25e6, 5e7, 1e8, 25e7, 5e8,
	1e9, 25e8, 5e9, 1e10,
}

// spread is the snapshot's sum and buckets in the unit of its name: seconds for
// _seconds, else ns.
func spread(r metrics.Reading) (sum float64, buckets map[float64]uint64) {
	unit := 1.0
	if strings.HasSuffix(r.Name, "_seconds") {
		unit = 1e9
	}
	buckets = make(map[float64]uint64, len(bounds))
	for _, bound := range bounds {
		buckets[float64(bound)/unit] = r.Spread.Within(bound)
	}
	return float64(r.Spread.Sum) / unit, buckets
}
