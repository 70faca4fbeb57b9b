package process

import (
	"math"
	"strconv"
)

// aggregate is one topic's events in one window.
type aggregate struct {
	topic      string
	start, end int64 // ns, of the window
	count      uint64
	bytes      uint64
	last       int64 // ns, when the last one was received
	gaps       gaps
	values     *spread // nil without a value field
}

func (a *aggregate) add(wall int64, payload int) {
	if a.count > 0 {
		a.gaps.add(max(0, wall-a.last))
	}
	a.count++
	a.bytes += uint64(payload)
	a.last = wall
}

// percentiles are those in a result.
var percentiles = [...]struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}}

// appendTo writes the result as JSON. Times are ns since 1970, gaps ns between
// the receipt of two events; what there is nothing of is left out.
func (a *aggregate) appendTo(b []byte) []byte {
	r := result(append(b, '{'))
	r.whole("start_ns", a.start)
	r.whole("end_ns", a.end)
	r.whole("count", int64(a.count))
	r.whole("bytes", int64(a.bytes))
	if g := &a.gaps; g.count > 0 {
		r.whole("gap_min_ns", g.min)
		r.whole("gap_max_ns", g.max)
		r.whole("gap_mean_ns", g.sum/int64(g.count))
		for _, p := range percentiles {
			r.whole("gap_"+p.name+"_ns", g.quantile(p.q))
		}
	}
	if a.values != nil {
		r.values(a.values)
	}
	return append(r, '}')
}

// result is one in the making.
type result []byte

// values leaves out a mean whose sum is beyond a float's range.
func (r *result) values(s *spread) {
	r.whole("value_count", int64(s.count))
	r.whole("value_missing", int64(s.missing))
	if s.count == 0 {
		return
	}
	r.real("value_min", s.min)
	r.real("value_max", s.max)
	if !math.IsInf(s.sum, 0) && !math.IsNaN(s.sum) {
		r.real("value_mean", s.sum/float64(s.count))
	}
	for _, p := range percentiles {
		r.real("value_"+p.name, s.quantile(p.q))
	}
}

func (r *result) name(name string) {
	if b := *r; b[len(b)-1] != '{' {
		*r = append(b, ',')
	}
	*r = append(append(append(*r, '"'), name...), '"', ':')
}

func (r *result) whole(name string, value int64) {
	r.name(name)
	*r = strconv.AppendInt(*r, value, 10)
}

func (r *result) real(name string, value float64) {
	r.name(name)
	*r = strconv.AppendFloat(*r, value, 'g', -1, 64)
}
