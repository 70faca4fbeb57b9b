package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// Of the broker: how long it may take to start or to deliver, how many messages
// show its rate, and the body of each, that of the pipeline's events.
const (
	brokerLimit   = 30 * time.Second
	brokerProbe   = 20_000
	brokerPayload = 64
)

// natsInProcess publishes to a NATS server within this process and waits until
// a subscriber of the same process has all of it. It does less than the engine's
// pipeline: nothing is checked, deduplicated or stored. Its goroutines run where the
// runtime puts them.
func natsInProcess(b *workloads.Bench) (workloads.Trial, error) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		return workloads.Trial{}, err
	}
	s.Start()
	if !s.ReadyForConnections(brokerLimit) {
		return workloads.Trial{}, errors.New("the NATS server does not start")
	}
	out, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return workloads.Trial{}, err
	}
	in, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return workloads.Trial{}, err
	}
	r := &relay{out: out, got: make(chan struct{}, 1)}
	sub, err := in.Subscribe("bench.rt", r.receive)
	if err == nil {
		err = errors.Join(sub.SetPendingLimits(-1, -1), in.Flush())
	}
	n := brokerProbe
	return workloads.Trial{
		Close: func() error { out.Close(); in.Close(); s.Shutdown(); s.WaitForShutdown(); return nil },
		Run: func() (o workloads.Outcome, err error) {
			ns, err := r.pass(b.Clock, n)
			o.Trial = record.Trial{N: int64(n), Values: []record.Value{{Unit: "ns/op", Value: ns}, {Unit: "events/s", Value: 1e9 / ns}}}
			n = max(int(float64(b.Time)/ns), brokerProbe) // the first one, which warms up, shows the rate
			return o, err
		},
	}, err
}

// relay counts what arrives.
type relay struct {
	out          *nats.Conn
	want, arrive int
	got          chan struct{}
}

func (r *relay) receive(*nats.Msg) {
	if r.arrive++; r.arrive == r.want {
		r.got <- struct{}{}
	}
}

// pass is the time in ns that a message takes, from the first's publishing to the
// last's arrival. The subscriber is idle when it begins.
func (r *relay) pass(clock cpu.Clock, n int) (ns float64, err error) {
	body := make([]byte, brokerPayload)
	r.want, r.arrive = n, 0
	began := cpu.Now()
	for range n {
		if err := r.out.Publish("bench.rt", body); err != nil {
			return 0, err
		}
	}
	if err := r.out.Flush(); err != nil {
		return 0, err
	}
	select {
	case <-r.got:
	case <-time.After(brokerLimit):
		return 0, fmt.Errorf("%d messages have not arrived after %v", n, brokerLimit)
	}
	return float64(clock.Ns(cpu.End()-began)) / float64(n), nil
}
