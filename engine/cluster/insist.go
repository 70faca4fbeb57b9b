package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	askedAgain = 250 * time.Millisecond // without an answer
	askedMost  = 8                      // requests that wait for one
)

// insist makes a request, and another like it every so often until one is
// answered: what is asked of a dead leader, or of a replica that nobody hears,
// never is. Those before it stay open, for who is only slow. The request must do
// no harm when it is done twice.
func insist[T any](ctx context.Context, request func(context.Context) (T, error)) (T, error) {
	type answer struct {
		of  T
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, askedMost)
	ask := func() {
		of, err := request(ctx)
		answers <- answer{of, err}
	}
	again := time.NewTicker(askedAgain)
	defer again.Stop()
	go ask()
	for open := 1; ; {
		select {
		case a := <-answers:
			if open--; !unanswered(a.err) || ctx.Err() != nil {
				return a.of, a.err
			}
		case <-again.C:
			if open < askedMost {
				open++
				go ask()
			}
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}

// unanswered reports whether nobody said anything, rather than no.
func unanswered(err error) bool {
	for _, silence := range []error{context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse} {
		if errors.Is(err, silence) {
			return true
		}
	}
	return false
}
