package cluster

import (
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/nats-io/nats-server/v2/server"
)

// shelf is a partition's stream as the server in this process has it. That
// server would hand the same messages out on request, but copies each several
// times on its way through a connection within the process, which took about as
// much CPU as what the replica then does with it. What it has here the majority
// has agreed on: it is what the server, too, answers such a request from.
//
// Its methods are not exported, nor are a message's bytes, nor what its store was
// made with: they are found by their names. A server without the first does not
// link, and a test says whether anything is read here at all, and soon forgotten.
type shelf struct {
	resident *resident
	stream   string
	store    server.StreamStore // the stream's, as last seen
	message  server.StoreMsg    // what was read last, whose memory the next is read into
}

// shelfKeeps is how long the server keeps a file of the stream in memory, of some 8 MiB,
// after it was last read or written. Its own 10 s are for readers who come at their leisure:
// here they were 1.4 GB a node at 500,000 events a second, and 0.2 are left.
const shelfKeeps = 250 * time.Millisecond

//go:linkname lookupStream github.com/nats-io/nats-server/v2/server.(*Account).lookupStream
func lookupStream(a *server.Account, name string) (unsafe.Pointer, error)

//go:linkname storeOf github.com/nats-io/nats-server/v2/server.(*stream).Store
func storeOf(stream unsafe.Pointer) server.StreamStore

// read calls visit for the messages from one on, as many as a read has at most,
// and is the last it saw: 0 if the server has not that one, or there is none.
// What visit is called with dies with the next call.
func (s *shelf) read(from uint64, visit func(stream uint64, data []byte) error) (last uint64, err error) {
	store := s.open()
	for at := from; store != nil && at < from+feedBatch; at++ {
		m, err := store.LoadMsg(at, &s.message)
		if err != nil {
			return last, nil // what is not here, or does not read, others may have
		}
		if err := visit(at, bytesOf(m)); err != nil {
			return last, err
		}
		last = at
	}
	return last, nil
}

// open is the store of the server that is there now, or nil: the stream's replicas
// may be on other nodes.
func (s *shelf) open() server.StreamStore {
	stream, err := lookupStream(s.resident.now.Load().GlobalAccount(), s.stream)
	if err != nil {
		return nil
	}
	if store := storeOf(stream); store != s.store {
		s.store = store
		forgetSoon(store)
	}
	return s.store
}

// forgetSoon has a store keep what it reads from now on for shelfKeeps.
func forgetSoon(store server.StreamStore) {
	if store == nil {
		return
	}
	s := reflect.ValueOf(store).Elem()
	lock, config := s.FieldByName("mu"), s.FieldByName("fcfg")
	if !lock.IsValid() || !config.IsValid() {
		return
	}
	mu := (*sync.RWMutex)(unsafe.Pointer(lock.UnsafeAddr()))
	mu.Lock()
	defer mu.Unlock()
	(*server.FileStoreConfig)(unsafe.Pointer(config.UnsafeAddr())).CacheExpire = shelfKeeps
}

func bytesOf(m *server.StoreMsg) []byte { return reflect.ValueOf(m).Elem().FieldByName("msg").Bytes() }
