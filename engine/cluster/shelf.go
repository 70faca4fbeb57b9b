package cluster

import (
	"reflect"
	"unsafe"

	"github.com/nats-io/nats-server/v2/server"
)

// shelf is a partition's stream as the server in this process has it. That
// server would hand the same messages out on request, but copies each several
// times on its way through a connection within the process, which took about as
// much CPU as what the replica then does with it. What it has here the majority
// has agreed on: it is what the server, too, answers such a request from.
//
// Its methods are not exported, nor are a message's bytes: they are found by
// their names. A server without the first does not link, and a test says whether
// anything is read here at all.
type shelf struct {
	resident *resident
	stream   string
	message  server.StoreMsg // what was read last, whose memory the next is read into
}

//go:linkname lookupStream github.com/nats-io/nats-server/v2/server.(*Account).lookupStream
func lookupStream(a *server.Account, name string) (unsafe.Pointer, error)

//go:linkname storeOf github.com/nats-io/nats-server/v2/server.(*stream).Store
func storeOf(stream unsafe.Pointer) server.StreamStore

// read calls visit for the messages from one on, as many as a read has at most,
// and is the last it saw: 0 if the server has not that one, or there is none.
// What visit is called with dies with the next call.
func (s *shelf) read(from uint64, visit func(stream uint64, data []byte) error) (last uint64, err error) {
	stream, err := lookupStream(s.resident.now.Load().GlobalAccount(), s.stream)
	if err != nil {
		return 0, nil // its replicas may be on other nodes
	}
	store := storeOf(stream)
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

func bytesOf(m *server.StoreMsg) []byte { return reflect.ValueOf(m).Elem().FieldByName("msg").Bytes() }
