package engine_test

import (
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// TestWindowsAreClosedAtTheEnd: an engine that stops stores what its open
// window holds so far, and the account includes what it made.
func TestWindowsAreClosedAtTheEnd(t *testing.T) {
	for _, fold := range []bool{false, true} {
		cfg := smallConfig(t)
		cfg.Windows = process.Windows{Span: time.Hour, Topics: 10, Fold: fold}
		e, stop := running(t, cfg)
		for i := range 20 {
			if err := e.Publish(t.Context(), []string{"a", "b"}[i%2], []byte("x"), event.Low); err != nil {
				t.Fatal(err)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		results, plain := 0, 0
		readLog(t, cfg.Log.Dir, func(l *store.Entry) {
			if strings.HasPrefix(string(l.Topic), process.WindowTopic) {
				results++
			} else {
				plain++
			}
		})
		s := e.Stats()
		if want := map[bool]int{false: 20, true: 0}[fold]; results < 2 || plain != want || int(s.Folded) != 20-want {
			t.Errorf("fold %v: %d results and %d events in the log, %d folded", fold, results, plain, s.Folded)
		}
		if s.Received != 20 || int(s.Created) != results || s.InFlight() != 0 {
			t.Errorf("fold %v: received %d, created %d, in flight %d; want 20, %d and 0", fold, s.Received, s.Created, s.InFlight(), results)
		}
	}
}
