package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bare is what publishing to a stream of three replicas takes, and nothing else:
// the floor under what is replicated here.
type Bare struct {
	N    int           // messages
	Rate float64       // of them a second
	P50  time.Duration // until one is acknowledged
}

// bareStream is the stream that Bare publishes to.
var bareStream = jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare"}, Replicas: 3, Storage: jetstream.FileStorage, MaxBytes: 256 << 20, Discard: jetstream.DiscardOld}

// Bare publishes a message over and over for so long, with at most so many not
// yet acknowledged, to a stream of its own, which stays.
func (c *Client) Bare(ctx context.Context, message []byte, flights int, length time.Duration) (b Bare, err error) {
	if _, err := c.js.CreateOrUpdateStream(ctx, bareStream); err != nil {
		return b, fmt.Errorf("bare stream: %w", err)
	}
	for { // until it has a leader
		if _, err = c.js.Publish(ctx, bareStream.Subjects[0], nil); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return b, fmt.Errorf("bare stream: %w", err)
		case <-time.After(retryPause):
		}
	}
	type sent struct {
		ack jetstream.PubAckFuture
		at  time.Time
	}
	var took []time.Duration
	var failed error
	way := make(chan sent, max(flights-1, 0))
	var heard sync.WaitGroup
	heard.Go(func() {
		for s := range way {
			select {
			case <-s.ack.Ok():
				took = append(took, time.Since(s.at))
			case failed = <-s.ack.Err():
			}
		}
	})
	began := time.Now()
	for err == nil && time.Since(began) < length && ctx.Err() == nil {
		s := sent{at: time.Now()}
		if s.ack, err = c.js.PublishMsgAsync(&nats.Msg{Subject: bareStream.Subjects[0], Data: message}); err == nil {
			way <- s
		}
	}
	close(way)
	heard.Wait()
	elapsed := time.Since(began)
	if err == nil {
		err = failed
	}
	if err != nil || len(took) == 0 {
		return b, fmt.Errorf("bare stream: %w", err)
	}
	slices.Sort(took)
	return Bare{N: len(took), Rate: float64(len(took)) / elapsed.Seconds(), P50: took[len(took)/2]}, nil
}
