//go:build !linux

package duty

import "time"

// parker sleeps on a channel of one wake-up.
type parker struct{ due chan struct{} }

func newParker() Sleeper { return &parker{due: make(chan struct{}, 1)} }

func (p *parker) Sleep(max time.Duration) {
	timeout := time.NewTimer(max)
	defer timeout.Stop()
	select {
	case <-p.due:
	case <-timeout.C:
	}
}

func (p *parker) Wake() {
	select {
	case p.due <- struct{}{}:
	default:
	}
}
