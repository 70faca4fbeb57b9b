package admin

import (
	"net"
	"testing"
	"time"
)

// TestClientsAreCounted: one that stays, one that goes, and one that speaks HTTP
// to the frame port.
func TestClientsAreCounted(t *testing.T) {
	r := running(t, Config{})
	for i, send := range []string{"", "", "GET / HTTP/1.1\r\n\r\n"} {
		c, err := net.Dial("tcp", r.engine.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i == 1 {
			c.Close()
		}
		c.Write([]byte(send))
	}
	want := clients{Open: 1, Accepted: 3, CutOff: 1}
	for deadline := time.Now().Add(20 * time.Second); r.state().Clients != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("clients %+v, want %+v", r.state().Clients, want)
		}
	}
	got := r.scrape()
	if open := got["esc_connections_open"].Metric[0].Gauge.GetValue(); open != 1 {
		t.Errorf("%v connections are open, want 1", open)
	}
	for _, m := range got["esc_connections_cut_off_total"].Metric {
		if foreign := m.Label[0].GetValue() == "foreign"; foreign != (m.Counter.GetValue() == 1) {
			t.Errorf("cut off: %v", m)
		}
	}
}
