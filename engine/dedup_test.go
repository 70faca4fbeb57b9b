package engine_test

import (
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// senderID is the n-th id of a sender.
func senderID(n int) uint64 { return 77<<40 | uint64(n) }

// publishIDs publishes a transaction for each number.
func publishIDs(t *testing.T, p *ingest.Publisher, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		e := []ingest.Event{{Topic: "pay", Payload: []byte("x"), ID: senderID(n), Priority: event.Medium}}
		for taken := 0; taken == 0; time.Sleep(20 * time.Microsecond) {
			var err error
			if taken, err = p.PublishBatch(e); taken == 0 && err != ingest.ErrBusy {
				t.Fatal(err)
			}
		}
	}
}

// storedIDs counts how often each id stands in the log.
func storedIDs(t *testing.T, dir string) map[uint64]int {
	ids := map[uint64]int{}
	readLog(t, dir, func(e *store.Entry) { ids[e.ID]++ })
	return ids
}

// TestDuplicatesAreStoredOnce: also over a restart, from what the log holds, and
// however the lanes were divided before.
func TestDuplicatesAreStoredOnce(t *testing.T) {
	for _, sublanes := range [][2]int{{1, 1}, {1, 4}, {4, 2}} {
		testDuplicates(t, sublanes)
	}
}

func testDuplicates(t *testing.T, sublanes [2]int) {
	cfg := smallConfig(t)
	for round, want := range []engine.Stats{
		{Received: 6, Stored: 3, Duplicates: 3},
		{Received: 4, Stored: 1, Duplicates: 3},
	} {
		cfg.Plan.Sublanes = sublanes[round]
		e, stop := running(t, cfg)
		p, err := e.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			publishIDs(t, p, 1, 2, 1, 3, 3, 1)
		} else {
			publishIDs(t, p, 1, 2, 3, 4)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		s := e.Stats()
		if s.Received != want.Received || s.Stored != want.Stored || s.Duplicates != want.Duplicates || s.InFlight() != 0 {
			t.Errorf("round %d: received %d, stored %d, duplicates %d, in flight %d; want %d, %d, %d and none",
				round, s.Received, s.Stored, s.Duplicates, s.InFlight(), want.Received, want.Stored, want.Duplicates)
		}
		if s.DedupHeld != cfg.Dedup.Window {
			t.Errorf("a window of %v is held, want %v", s.DedupHeld, cfg.Dedup.Window)
		}
	}
	for id, n := range storedIDs(t, cfg.Log.Dir) {
		if n != 1 {
			t.Errorf("id %#x stands in the log %d times", id, n)
		}
	}
}

// TestOtherLanesDoNotDedup: as in the original, only transactions do.
func TestOtherLanesDoNotDedup(t *testing.T) {
	cfg := smallConfig(t)
	e, stop := running(t, cfg)
	p, _ := e.Publisher()
	for range 3 {
		if n, err := p.PublishBatch([]ingest.Event{{Topic: "t", ID: senderID(1), Priority: event.High}}); n != 1 {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Stored != 3 || s.Duplicates != 0 {
		t.Errorf("stored %d, duplicates %d; want 3 and none", s.Stored, s.Duplicates)
	}
}

// TestATransactionIsRetriedThenDeadLettered: the first succeeds at its third
// attempt, the second never; its id is free again, and its letter is kept.
func TestATransactionIsRetriedThenDeadLettered(t *testing.T) {
	cfg := smallConfig(t)
	attempts := map[uint64]int{}
	cfg.Handlers = []process.Handler{{Pattern: "pay", Handle: func(e *process.Event) error {
		attempts[e.ID]++
		if e.ID == senderID(2) || attempts[e.ID] < 3 {
			return errFlaky
		}
		return nil
	}}}
	e, stop := running(t, cfg)
	p, _ := e.Publisher()
	publishIDs(t, p, 1, 2)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := e.Stats()
	if s.Stored != 1 || s.Captured != 1 || s.InFlight() != 0 || s.Retried != 2+3 {
		t.Errorf("stored %d, dead-lettered %d, in flight %d, retried %d; want 1, 1, 0 and 5", s.Stored, s.Captured, s.InFlight(), s.Retried)
	}
	if attempts[senderID(1)] != 3 || attempts[senderID(2)] != 4 {
		t.Errorf("attempts %v, want 3 and 4", attempts)
	}
	letters := 0
	readLog(t, engine.DeadDir(cfg.Log.Dir), func(l *store.Entry) {
		letters++
		if l.ID != senderID(2) || l.Type != event.TypeDeadLetter || l.Reason != 9 || string(l.Topic) != "pay" || string(l.Payload) != "x" {
			t.Errorf("dead letter %+v", l)
		}
	})
	if letters != 1 {
		t.Errorf("%d dead letters, want 1", letters)
	}
}

var errFlaky = flaky{}

type flaky struct{}

func (flaky) Error() string { return "not now" }
