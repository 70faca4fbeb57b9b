package main

import (
	"testing"
	"time"
)

// TestProofCutLink cuts what the nodes hear each other by, under load: of the
// leader and one other, who both hear the third; of the leader and everybody;
// and only what the leader says. Who hears nobody answers nothing.
func TestProofCutLink(t *testing.T) {
	clusterProof(t)
	f, between := cabled(t)
	f.launch(1000)

	at := f.leader()
	link := between.of(at)[0]
	f.disrupt("one link of the leader cut", func() { link.set(true) }, func() { link.set(false) })

	at = f.leader()
	f.disrupt("leader cut off", func() {
		between.isolate(at, true)
		if n := f.answeredAlone(at, time.Second); n > 0 {
			t.Errorf("%d events were answered by a node that nobody hears", n)
		}
	}, func() { between.isolate(at, false) })

	at = f.leader()
	f.disrupt("leader not heard", func() {
		for _, c := range between.of(at) {
			c.mute(at, true)
		}
	}, func() {
		for _, c := range between.of(at) {
			c.mute(at, false)
		}
	})
	if t.Failed() {
		f.lament()
	}
	f.audit()
}
