package workloads

import (
	"fmt"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// tcp runs the engine on the hot CPU and the sender in another process on the
// peer: v1 frames over the loopback as fast as they are taken, then v2 frames at
// the times of a schedule, and at one rate after the other. Every event is read
// back from the log and compared with what was sent.
func tcp(b *Bench) (cells []Cell) {
	for _, connections := range b.Set.numbers("connections", 1) {
		for _, payload := range b.Set.numbers("payload", framePayload) {
			cells = append(cells, flood(connections, payload))
		}
	}
	for _, connections := range b.Set.numbers("connections", 1) {
		for _, payload := range b.Set.numbers("payload", pipelinePayload) {
			spec := sentSpec(payload)
			spec.Connections = connections
			cells = append(cells, b.sent(spec, params("frame", "v2"), params("connections", amount(connections)))...)
		}
	}
	return cells
}

func flood(connections, payload int) Cell {
	frame := standardFrame(wire.V1, payload)
	bytes := frame.Size()
	return Cell{
		Params:  params("frame", fmt.Sprintf("%dB", bytes), "load", "closed", "connections", amount(connections)),
		Threads: 2, Needs: 2, FloorUnit: "ns/op", Floor: loopbackFloor(bytes),
		Open: func(b *Bench) (Trial, error) { return flooding(b, connections, payload) },
	}.with("payload", amount(payload), amount(payload))
}

// tcpMost bounds one closed-loop trial, and so what its log takes: 150 MB.
const tcpMost = 1 << 20

func closedSpec(address string, payload, n int) drive.Spec {
	s := drive.Default(address)
	s.Version, s.Priority, s.Topic, s.Size = wire.V1, event.High, "bench/rt", payload
	s.Schedule, s.Count, s.Duration = drive.Schedule{}, uint64(n), 0
	return s
}

// flooding stores what the sender manages to send.
func flooding(b *Bench, connections, payload int) (Trial, error) {
	watch := newBurst(standardEvent(event.High, payload))
	r, err := b.newPortRig(bus.Policies{}, nil, watch)
	if err != nil {
		return Trial{}, err
	}
	n := 0
	run := func(n int) (Outcome, error) {
		spec, first := closedSpec(r.engine.Addr(), payload, n), r.engine.Stats().Written+1
		spec.Connections = connections
		out, err := watch.run(b, r, n, func() error { _, err := b.send(spec); return err })
		if err == nil && out.Invalid == "" {
			out.Invalid, err = r.compare(spec, first, spec.Count)
		}
		out.Placed = []record.Placed{b.senderPlaced()}
		return out, err
	}
	return Trial{Close: r.close, Run: func() (Outcome, error) {
		if n == 0 {
			const probe = 1 << 16
			out, err := run(probe)
			if err != nil || out.Invalid != "" {
				return out, err
			}
			n = min(max(int(float64(b.Time)/out.Values[0].Value), probe), tcpMost)
		}
		return run(n)
	}}, nil
}
