package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// TestInsist: what is not answered is asked again, a no is an answer, and whoever
// is slow is still heard.
func TestInsist(t *testing.T) {
	no := errors.New("no")
	never := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		reply func(ctx context.Context, n int32) error // to the n-th request
		want  error
		after time.Duration
	}{
		"at once": {func(context.Context, int32) error { return nil }, nil, 0},
		"no":      {func(context.Context, int32) error { return no }, no, 0},
		"the first is lost": {func(ctx context.Context, n int32) error {
			if n == 1 {
				return never(ctx)
			}
			return nil
		}, nil, askedAgain},
		"nobody is there at first": {func(_ context.Context, n int32) error {
			if n < 4 {
				return fmt.Errorf("%w", nats.ErrNoResponders)
			}
			return nil
		}, nil, 3 * askedAgain},
		"slow": {func(ctx context.Context, n int32) error {
			if n > 1 {
				return never(ctx)
			}
			time.Sleep(5*askedAgain + 1)
			return nil
		}, nil, 5*askedAgain + 1},
		"never": {func(ctx context.Context, _ int32) error { return never(ctx) }, context.DeadlineExceeded, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var asked, open atomic.Int32
			began := time.Now()
			_, err := insist(ctx, func(ctx context.Context) (int, error) {
				if open.Add(1) > askedMost {
					t.Errorf("%s: more than %d are open", name, askedMost)
				}
				defer open.Add(-1)
				return 0, c.reply(ctx, asked.Add(1))
			})
			if !errors.Is(err, c.want) || time.Since(began) != c.after {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, time.Since(began), c.want, c.after)
			}
		})
	}
}
