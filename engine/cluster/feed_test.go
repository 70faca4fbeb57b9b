package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// TestFeedEndsBeforeAGap: of an answer that lost messages on its way, wherever,
// nothing behind the gap is taken for what comes next.
func TestFeedEndsBeforeAGap(t *testing.T) {
	for _, c := range []struct {
		first, last uint64 // of what the stream has from the one asked for on
		lost        []uint64
		saw         []uint64
		whole       bool
	}{
		{5, 8, nil, []uint64{5, 6, 7, 8}, true},
		{7, 8, nil, []uint64{7, 8}, true}, // what came before them is kept no longer
		{5, 8, []uint64{5}, nil, false},
		{5, 8, []uint64{6, 7}, []uint64{5}, false},
		{5, 8, []uint64{8}, []uint64{5, 6, 7}, false},
		{5, 8, []uint64{5, 6, 7, 8}, nil, false},
	} {
		conn := carrier(t)
		f, err := newFeed(conn, 0)
		if err != nil {
			t.Fatal(err)
		}
		subscribe(t, conn, "$JS.API.DIRECT.GET."+streamOf(0), func(m *nats.Msg) { readOut(m, c.first, c.last, c.lost) })
		var saw []uint64
		last, err := f.read(t.Context(), 5, func(stream uint64, data []byte) error {
			saw = append(saw, stream)
			return nil
		})
		if !slices.Equal(saw, c.saw) || (err == nil) != c.whole || len(saw) > 0 && last != saw[len(saw)-1] {
			t.Errorf("messages %d to %d, of which %v are lost: saw %v up to %d, %v; want %v", c.first, c.last, c.lost, saw, last, err, c.saw)
		}
	}
}

// readOut answers as a server with messages from first to last, but for those
// that are lost on their way.
func readOut(m *nats.Msg, first, last uint64, lost []uint64) {
	var asked struct{ Batch int }
	if err := json.Unmarshal(m.Data, &asked); err != nil || asked.Batch < 4 {
		panic(fmt.Sprintf("%s: %v", m.Data, err))
	}
	before := uint64(0)
	for at := first; at <= last; at++ {
		r := nats.NewMsg(m.Reply)
		r.Header.Set("Nats-Sequence", strconv.FormatUint(at, 10))
		r.Header.Set("Nats-Last-Sequence", strconv.FormatUint(before, 10))
		if before = at; !slices.Contains(lost, at) {
			m.RespondMsg(r)
		}
	}
	end := nats.NewMsg(m.Reply)
	end.Header.Set("Status", "204")
	end.Header.Set("Nats-Last-Sequence", strconv.FormatUint(before, 10))
	m.RespondMsg(end)
}

// tellLine answers as a server whose stream has a line of groups as its messages,
// of which it keeps those from one on.
func tellLine(t *testing.T, m *nats.Msg, line []group, first uint64) {
	var asked struct{ Seq uint64 }
	if err := json.Unmarshal(m.Data, &asked); err != nil {
		t.Errorf("%s: %v", m.Data, err)
	}
	before := uint64(0)
	for at := max(asked.Seq, first); at <= uint64(len(line)) && at < max(asked.Seq, first)+feedBatch; at++ {
		r := nats.NewMsg(m.Reply)
		r.Header.Set("Nats-Sequence", strconv.FormatUint(at, 10))
		r.Header.Set("Nats-Last-Sequence", strconv.FormatUint(before, 10))
		r.Data = line[at-1].encode()
		m.RespondMsg(r)
		before = at
	}
	end := nats.NewMsg(m.Reply)
	end.Header.Set("Nats-Last-Sequence", strconv.FormatUint(before, 10))
	if end.Header.Set("Status", "204"); before == 0 {
		end.Header.Set("Status", "404")
	}
	m.RespondMsg(end)
}

// carrier is a connection to a server that keeps nothing, and lets through what
// servers do unless they are told.
func carrier(t *testing.T) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no server")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func subscribe(t *testing.T, conn *nats.Conn, subject string, handle nats.MsgHandler) {
	t.Helper()
	if _, err := conn.Subscribe(subject, handle); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}
