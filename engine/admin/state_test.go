package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
)

func (r *rig) state() (s state) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.get("/state")), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func TestReadiness(t *testing.T) {
	r, run := standing(t, Config{})
	want := func(when string, status int, word string) {
		t.Helper()
		got, _, text := r.request("GET", "/readyz", "")
		if got != status || !strings.HasPrefix(text, word) {
			t.Errorf("%s: %d %q, want %d %q", when, got, text, status, word)
		}
		if healthy, _, _ := r.request("GET", "/healthz", ""); healthy != 200 {
			t.Errorf("%s: health is %d", when, healthy)
		}
	}
	want("before Run", 503, "starting")
	if s := r.state(); s.Ready || s.Threads != nil {
		t.Errorf("before Run the state is ready=%v with threads %v", s.Ready, s.Threads)
	}
	run()
	want("running", 200, "ready")
	r.Stopping()
	want("stopping", 503, "stopping")
}

func TestStateFollowsTheEngine(t *testing.T) {
	r := running(t, Config{})
	before := r.state()
	const n = 5000
	r.publish(n)
	r.settle(n)
	time.Sleep(spacing) // so that the samples are apart
	after := r.state()
	if before.Totals.Received != 0 || after.Totals.Received != n || after.Totals.Stored != n || after.Totals.Processed != n || after.Totals.InFlight != 0 {
		t.Errorf("totals %+v, then %+v", before.Totals, after.Totals)
	}
	if after.Rates.Received <= 0 || after.Rates.Stored <= 0 || after.Window <= 0 || after.Window > 60 {
		t.Errorf("rates %+v over %v s", after.Rates, after.Window)
	}
	if !after.Ready || after.Version != "test" || after.Changes {
		t.Errorf("state %+v", after)
	}
	var total uint64
	for i, lane := range after.Lanes {
		total += lane.Total
		if lane.Name != event.Lane(i).String() || lane.Capacity == 0 || lane.Depth != 0 || lane.StoreWait != 0 || lane.SLA == 0 {
			t.Errorf("lane %+v", lane)
		}
		if lane.Processed.Count == 0 || lane.Processed.P50 == nil || *lane.Processed.P50 <= 0 || *lane.Processed.P50 > *lane.Processed.Max {
			t.Errorf("%s: %+v", lane.Name, lane.Processed)
		}
	}
	if total != n || len(after.Lanes) != event.Lanes {
		t.Errorf("%d processed in %d lanes", total, len(after.Lanes))
	}
	if len(after.Threads) != len(r.engine.Threads()) || after.Threads[0].Name != "engine" || after.Threads[0].ID == 0 {
		t.Errorf("threads %+v", after.Threads)
	}
	if p := after.Process; p.Resident < 1<<20 || p.Descriptors == 0 || p.Limit == 0 || p.Threads == 0 || p.Goroutines == 0 {
		t.Errorf("process %+v", p)
	}
}

func TestHistoryComparesWithTheWindow(t *testing.T) {
	var h history
	start := time.Now()
	at := func(ms int) sample { return sample{at: start.Add(time.Duration(ms) * time.Millisecond)} }
	h.begin(at(0))
	for _, test := range []struct{ now, base int }{
		{100, 0}, {1000, 0}, {2000, 0}, {2100, 0}, {3000, 0},
		{3500, 1000},    // 0 has left the window
		{60_000, 3500},  // nobody asked for long: since then
		{61_000, 60000}, // and from then on the window again
		{61_100, 60000},
	} {
		if got := int(h.base(at(test.now)).at.Sub(start).Milliseconds()); got != test.base {
			t.Errorf("at %d ms compared with %d, want %d", test.now, got, test.base)
		}
	}
	for i := range 10_000 {
		h.base(at(100_000 + i))
	}
	if most := int(window/spacing) + 2; len(h.kept) > most {
		t.Errorf("%d samples kept, want %d at most", len(h.kept), most)
	}
}

func TestPercentilesNeedEvents(t *testing.T) {
	for _, test := range []struct {
		n              uint64
		p50, p99, p999 bool
	}{{0, false, false, false}, {1, true, false, false}, {367, true, false, false}, {368, true, true, false}, {3688, true, true, true}} {
		var h metrics.Histogram
		h.RecordN(1000, test.n)
		l := lateOf(h.Snapshot())
		if (l.P50 != nil) != test.p50 || (l.P99 != nil) != test.p99 || (l.P999 != nil) != test.p999 || (l.Max != nil) != test.p50 {
			t.Errorf("of %d events: %+v", test.n, l)
		}
	}
}

func TestStateIsChangedByHand(t *testing.T) {
	r := running(t, Config{Token: secret})
	post := func(body string) (int, string) {
		status, _, text := r.request("POST", "/state", body, "Authorization", "Bearer "+secret)
		return status, text
	}
	if status, text := post(`{"state":"DEGRADED"}`); status != 200 || !strings.Contains(text, `"manual":true`) {
		t.Fatalf("%d %s", status, text)
	}
	s := r.state()
	if !s.Changes || s.Control.Decision.State != control.Degraded || !s.Control.Manual || len(s.Control.Transitions) != 1 {
		t.Errorf("control %+v", s.Control)
	}
	if status, text := post(`{"state":"auto"}`); status != 200 || r.engine.Plane.Status().Manual {
		t.Errorf("%d %s", status, text)
	}
	for body, want := range map[string]string{`{"state":"WORSE"}`: "WORSE", `{`: "want", `{"mode":"x"}`: "unknown field", ``: "want", `{"state":""}`: "auto"} {
		if status, text := post(body); status != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %q, want 400 with %q", body, status, text, want)
		}
	}
}
