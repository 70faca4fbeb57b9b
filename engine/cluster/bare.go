package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bare is what publishing to a stream takes, and nothing else: the floor under
// what is replicated here.
type Bare struct {
	Rate float64         // messages a second
	Took []time.Duration // from when each was due until it was acknowledged, sorted
}

// bareStream is the stream that Bare publishes to.
var bareStream = jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare"}, Replicas: 3, Storage: jetstream.FileStorage, MaxBytes: 256 << 20, Discard: jetstream.DiscardOld}

// Bare publishes a message over and over for so long, as fast as they are
// acknowledged with at most so many under way, to a stream of its own of three
// replicas, which stays.
func (c *Client) Bare(ctx context.Context, message []byte, flights int, length time.Duration) (b Bare, err error) {
	if _, err := c.js.CreateOrUpdateStream(ctx, bareStream); err != nil {
		return b, fmt.Errorf("bare stream: %w", err)
	}
	for { // until it has a leader
		if _, err = c.js.Publish(ctx, bareStream.Subjects[0], nil); err == nil {
			return publishBare(ctx, c.js, message, flights, 0, length)
		}
		select {
		case <-ctx.Done():
			return b, fmt.Errorf("bare stream: %w", err)
		case <-time.After(retryPause):
		}
	}
}

// publishBare is Bare to the stream as it is there; at a rate, in messages a
// second, unless that is 0.
func publishBare(ctx context.Context, js jetstream.JetStream, message []byte, flights int, rate float64, length time.Duration) (b Bare, err error) {
	type sent struct {
		ack jetstream.PubAckFuture
		due time.Time
	}
	way := make(chan sent, max(flights-1, 0))
	var failed error
	var heard sync.WaitGroup
	heard.Go(func() {
		for s := range way {
			select {
			case <-s.ack.Ok():
				b.Took = append(b.Took, time.Since(s.due))
			case failed = <-s.ack.Err():
			}
		}
	})
	began := time.Now()
	for n := 0; err == nil && time.Since(began) < length && ctx.Err() == nil; n++ {
		s := sent{due: time.Now()}
		if rate > 0 {
			s.due = began.Add(time.Duration(float64(n) / rate * 1e9))
			time.Sleep(time.Until(s.due))
		}
		if s.ack, err = js.PublishMsgAsync(&nats.Msg{Subject: bareStream.Subjects[0], Data: message}); err == nil {
			way <- s
		}
	}
	close(way)
	heard.Wait()
	if err = cmp.Or(err, failed); err != nil || len(b.Took) == 0 {
		return b, fmt.Errorf("bare stream: %w", cmp.Or(err, ctx.Err()))
	}
	b.Rate = float64(len(b.Took)) / time.Since(began).Seconds()
	slices.Sort(b.Took)
	return b, nil
}
