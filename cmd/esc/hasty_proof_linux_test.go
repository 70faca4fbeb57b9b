package main

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/process"
)

// TestProofHastyNodesAreFoundOut has the proofs' own checks look at nodes that
// answer before any other has the event, and at a client that makes duplicates.
func TestProofHastyNodesAreFoundOut(t *testing.T) {
	clusterProof(t)
	f, between := cabled(t)
	f.self, f.manner = selfAs(t, hastyName), careless
	f.launch(1000)
	had := f.answers()
	time.Sleep(time.Second)
	at := 0 // who answers now
	for i, n := range f.answers() {
		if n-had[i] > f.answers()[at]-had[at] {
			at = i
		}
	}
	between.isolate(at, true)
	if f.answeredAlone(at, 2*time.Second) == 0 {
		t.Error("a node that nobody hears answered, and was not found out")
	}
	f.kill(at)
	acked := f.traffic.stop()
	other := (at + 1) % len(f.nodes)
	f.until("the others have what is left", settleMax, func() bool { return f.settled(other, (at+2)%len(f.nodes)) })
	if lost, twice := f.count(f.layout.Nodes[other].Name, acked); lost == 0 || twice == 0 {
		t.Errorf("%d found lost, %d found twice", lost, twice)
	}
}

// answers is how many each node answered, so far.
func (f *fleet) answers() (all []int) {
	for _, n := range f.layout.Nodes {
		all = append(all, f.traffic.answeredBy(n.Frames))
	}
	return all
}

// hastyName is what the test binary is called as to be such a node.
const hastyName = "esc-hasty"

// serveHasty is esc serve with a cluster, but what its own disk has counts as
// replicated.
func serveHasty() {
	s, _, err := told(os.Args[slices.Index(os.Args, "--config")+1], os.Environ(), newServeCommand().Flags())
	if err != nil {
		panic(err)
	}
	cfg, err := s.config(os.Stderr)
	if err != nil {
		panic(err)
	}
	e, err := engine.New(cfg)
	if err != nil {
		panic(err)
	}
	honest := cfg
	honest.Replicated = &process.Watermark{Bell: cfg.Replicated.Bell}
	if _, err := s.join(e, honest); err != nil {
		panic(err)
	}
	go func() {
		for <-e.Running(); ; time.Sleep(time.Millisecond) {
			cfg.Replicated.Advance(e.Durable())
		}
	}()
	e.Run(context.Background())
}
