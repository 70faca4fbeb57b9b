package cluster

import (
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// patience bounds every wait: for a machine that is busy with other tests, and
// for the elections of JetStream, which take up to nine seconds.
const patience = 60 * time.Second

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// writer is a node's own log, with somebody who fills it.
type writer struct {
	t    *testing.T
	log  *store.Log
	slot []uint64
	wall int64 // ns: the time of what is put next
}

func newWriter(t *testing.T, dir string) *writer {
	t.Helper()
	log, _, err := store.Open(store.Default(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return &writer{t: t, log: log, slot: make([]uint64, event.SizeOf(100, 1<<20)/8+1)}
}

func (w *writer) source(dir string) Source { return Source{Dir: dir, Durable: w.log.Durable} }

// put appends one event to the group that gathers.
func (w *writer) put(id uint64, priority event.Priority, topic string, payload []byte) {
	for w.wall = time.Now().UnixNano(); !w.try(id, priority, topic, payload); {
		w.commit()
	}
}

// try is put, but false when the group is full.
func (w *writer) try(id uint64, priority event.Priority, topic string, payload []byte) bool {
	h := (*event.Header)(unsafe.Pointer(unsafe.SliceData(w.slot)))
	h.Record = event.Record{ID: id, Priority: priority, Type: event.TypeEvent, Wall: w.wall}
	h.Fill([]byte(topic), payload)
	h.Seal()
	_, ok := w.log.Append(h)
	return ok
}

// commitAside commits on a goroutine of its own, as the engine does, until stop.
func (w *writer) commitAside() (stop func()) {
	var done atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !done.Load() {
			if n, err := w.log.Commit(); err != nil {
				w.t.Error(err)
				return
			} else if n == 0 {
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
	return func() {
		done.Store(true)
		<-ended
	}
}

func (w *writer) commit() {
	for range 2 {
		w.log.Offer()
		if _, err := w.log.Commit(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func quiet(t *testing.T) *slog.Logger {
	level := slog.LevelWarn
	if os.Getenv("ESC_CLUSTER_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

// alone starts a node that stands alone.
func alone(t *testing.T, dir string, source Source) *Node {
	t.Helper()
	cfg := Default("n1", dir)
	cfg.Source, cfg.Logger, cfg.Lease, cfg.Partitions = source, quiet(t), time.Second, 2
	return started(t, cfg)
}

func started(t *testing.T, cfg Config) *Node {
	t.Helper()
	n, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// content is what a node's replicas hold, by partition, in order.
func content(t *testing.T, n *Node) (all [][]store.Entry) {
	t.Helper()
	for p := range n.parts {
		var part []store.Entry
		for from := uint64(1); ; {
			b, err := n.parts[p].replica.read(nil, from, readSize)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) == 0 {
				break
			}
			for len(b) > 0 {
				var e store.Entry
				size, err := e.Decode(b)
				if err != nil {
					t.Fatal(err)
				}
				part, b = append(part, e), b[size:]
				from++
			}
		}
		all = append(all, part)
	}
	return all
}
