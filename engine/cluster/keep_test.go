package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// thick is a line of groups, each resting on the one before it, of records with
// payloads of so many bytes.
func thick(t *testing.T, groups, records, payload int) (line []group) {
	t.Helper()
	g := group{index: 1}
	for n := range groups {
		g = group{epoch: 1, index: g.index + uint64(g.count), before: g.after, after: g.after, origin: 7, prev: g.last, last: g.last + uint64(records)}
		g.marks = marks{{g.origin, g.last}}
		for i := range records {
			e := store.Entry{Record: event.Record{Sequence: g.index + uint64(i), ID: 1<<40 | (g.index + uint64(i)), Type: event.TypeEvent, Priority: event.High, TopicLength: 1,
				Length: uint32(event.RecordSize + 1 + payload)}, Topic: []byte("t"), Payload: make([]byte, payload)}
			e.Payload[0] = byte(n)
			g.extend(&e)
		}
		line = append(line, g)
	}
	return line
}

// keeper is a replica that keeps little, with a line of groups in it, from message
// first on.
func keeper(t *testing.T, dir string, keeps retention, line []group) *replica {
	t.Helper()
	r := newReplica(0, dir, nil, nil, quiet(t))
	r.keeps = keeps
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.log != nil {
			r.log.Close()
		}
	})
	r.enter(Following)
	for i, g := range line {
		if err := r.put(t.Context(), &landing{uint64(i + 1), g}); err != nil {
			t.Fatal(err)
		}
		if err := r.commit(); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// readTo reads records from one on to the end.
func readTo(r *replica, from uint64) (n int, err error) {
	for {
		b, err := r.read(nil, from, readSize)
		if len(b) == 0 || err != nil {
			return n, err
		}
		for len(b) > 0 {
			var e store.Entry
			size, err := e.Decode(b)
			if err != nil || e.Sequence != from {
				return n, fmt.Errorf("record %d: %d, %w", from, e.Sequence, err)
			}
			from, n, b = from+1, n+1, b[size:]
		}
	}
}

const keptLeast = 4 << 20

// TestOldestRecordsGo: of a replica with a limit the oldest go, by whole segments.
// Who asks for them is told from where it is kept; what is kept is served, and
// checked from there on when the replica is opened again.
func TestOldestRecordsGo(t *testing.T) {
	line := thick(t, 160, 64, 1000)
	r := keeper(t, t.TempDir(), retention{bytes: keptLeast}, line)
	if n, err := readTo(r, 1); err != nil || n != 160*64 {
		t.Fatalf("before anything went %d records are read, %v", n, err)
	}
	first := func() uint64 {
		u, err := store.ReadUsage(r.dir)
		if err != nil {
			t.Fatal(err)
		}
		return u.First
	}
	eventually(t, "segments go", func() bool {
		if err := r.retire(r.log); err != nil {
			t.Fatal(err)
		}
		return first() > 1 && first() == r.kept()
	})
	kept := r.kept()
	var gone *GoneError
	if _, err := r.read(nil, kept-1, readSize); !errors.As(err, &gone) || gone.First != kept {
		t.Errorf("what is gone reads with %v, want that it is kept from %d on", err, kept)
	}
	client := &Client{conn: town(t, nil, 1, map[string]*replica{"n2": r}).conn}
	if _, err := client.Read(t.Context(), "n2", 0, 5, nil); !errors.As(err, &gone) || *gone != (GoneError{0, 5, kept}) {
		t.Errorf("a client reads what is gone with %v", err)
	}
	check := func(when string) {
		t.Helper()
		if n, err := readTo(r, kept); err != nil || n != 160*64-int(kept)+1 {
			t.Errorf("%s: %d records from %d on are read, %v", when, n, kept, err)
		}
		for _, g := range line[len(line)/2:] {
			if end := g.index + uint64(g.count) - 1; end >= kept {
				if chain, err := r.chainBehind(end); err != nil || chain != g.after {
					t.Fatalf("%s: chain behind record %d is %08x, %v; want %08x", when, end, chain, err, g.after)
				}
			}
		}
	}
	check("then")
	end := r.end
	reopen := func() error {
		r.closeReader()
		if err := r.log.Close(); err != nil {
			t.Fatal(err)
		}
		return r.open()
	}
	r.note(end)
	if err := reopen(); err != nil || r.has.index != end.index || r.has.chain != end.chain || r.end.stream != end.stream {
		t.Fatalf("opened again it ends with %+v at message %d, %v; want %d, %08x", r.has, r.end.stream, err, end.index, end.chain)
	}
	check("opened again")
	if err := os.Remove(filepath.Join(r.dir, baseName)); err != nil {
		t.Fatal(err)
	}
	if err := reopen(); !errors.Is(err, errDamaged) {
		t.Errorf("without what it rests on it opens with %v", err)
	}
}

// TestBaseThatIsNotIts: a log does not open on a base that is another's.
func TestBaseThatIsNotIts(t *testing.T) {
	line := thick(t, 4, 8, 10)
	r := keeper(t, t.TempDir(), retention{}, line)
	r.note(r.end)
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := writeBase(r.dir, bound{8, 12345}); err != nil {
		t.Fatal(err)
	}
	if err := r.open(); !errors.Is(err, errDamaged) {
		t.Errorf("it opens with %v", err)
	}
	r.log = nil
}

// town is a connection by which replicas of partition 0 ask each other, and a
// stream that keeps messages of a line from one on.
func town(t *testing.T, line []group, first uint64, others map[string]*replica) *feed {
	t.Helper()
	conn := carrier(t)
	for name, r := range others {
		n := &Node{conn: conn, parts: []partition{{replica: r}}}
		subscribe(t, conn, readSubject+name, n.serveRead)
		subscribe(t, conn, extentSubject+name, n.serveExtent)
	}
	f, err := newFeed(conn, 0)
	if err != nil {
		t.Fatal(err)
	}
	subscribe(t, conn, "$JS.API.DIRECT.GET."+streamOf(0), func(m *nats.Msg) { tellLine(t, m, line, first) })
	return f
}

// follows runs a replica until it has so many records and is served.
func follows(t *testing.T, r *replica, records uint64) {
	t.Helper()
	ctx, stop := t.Context(), make(chan struct{})
	go func() {
		defer close(stop)
		r.run(ctx)
	}()
	t.Cleanup(func() { <-stop })
	eventually(t, "it has all there is, and is served", func() bool {
		b, err := r.read(nil, r.kept(), 1)
		return err == nil && len(b) > 0 && r.standing().index == records
	})
}

func known(names ...string) func() ([]string, bool) {
	return func() ([]string, bool) { return names, true }
}

// TestRecordsThatNobodyHas: a replica that lacks what no stream and no node has
// begins where the others do, or where the stream does, is served, and counts what
// it never got.
func TestRecordsThatNobodyHas(t *testing.T) {
	line := thick(t, 40, 64, 1000)
	const records, trimmed = 40 * 64, 31 // the stream's first message
	for _, c := range []struct {
		name string
		has  int    // groups that the replica has
		kept uint64 // record that another keeps from, 0: it has none
		want uint64
	}{
		{"nothing, another keeps some", 0, 500, 500},
		{"the beginning, another keeps some", 3, 500, 500},
		{"the beginning, nobody keeps any", 3, 0, line[trimmed-1].index},
		{"what reaches what another keeps", 10, 500, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := keeper(t, t.TempDir(), retention{}, line)
			other.base = bound{c.kept - 1, 0}
			if c.kept == 0 {
				other = keeper(t, t.TempDir(), retention{}, nil)
			} else {
				var err error
				other.base = bound{}
				if other.base.chain, err = other.chainBehind(c.kept - 1); err != nil {
					t.Fatal(err)
				}
				other.base.index = c.kept - 1
			}
			r := keeper(t, t.TempDir(), retention{}, line[:c.has])
			if err := r.log.Close(); err != nil {
				t.Fatal(err)
			}
			r.log = nil
			r.feed, r.others = town(t, line, trimmed, map[string]*replica{"n2": other}), known("n2")
			r.lend, r.survey = r.feed.lend, r.feed.survey
			follows(t, r, records)
			if n, err := readTo(r, c.want); err != nil || r.kept() != c.want || n != records-int(c.want)+1 {
				t.Errorf("it keeps from %d on, want %d; %d records are read, %v", r.kept(), c.want, n, err)
			}
			lost := uint64(0)
			if c.want > 1 {
				lost = c.want - uint64(c.has*64) - 1
			}
			if at := r.standing(); r.lost != lost || at.chain != line[len(line)-1].after {
				t.Errorf("%d records are said to be lost, want %d; the chain is %08x, want %08x", r.lost, lost, at.chain, line[len(line)-1].after)
			}
		})
	}
}

// TestSilentMembersAreWaitedFor: who does not answer may have what nobody else
// has; and who does not know yet who they are does not take itself for alone.
func TestSilentMembersAreWaitedFor(t *testing.T) {
	line := thick(t, 40, 8, 10)
	for name, others := range map[string]func() ([]string, bool){
		"one of two is silent": known("n2", "n3"),
		"nobody is known yet":  func() ([]string, bool) { return nil, false },
	} {
		r := keeper(t, t.TempDir(), retention{}, line[:3])
		r.feed, r.others = town(t, line, 31, map[string]*replica{"n2": keeper(t, t.TempDir(), retention{}, nil)}), others
		r.lend, r.survey = r.feed.lend, r.feed.survey
		at := landing{31, line[30]}
		if err := r.put(t.Context(), &at); !errors.Is(err, errGone) {
			t.Errorf("%s: %v", name, err)
		}
		if r.goneSince = time.Now().Add(-2 * absentWait); name == "one of two is silent" {
			if err := r.put(t.Context(), &at); !errors.As(err, new(*anew)) {
				t.Errorf("%s for long, and most answer: %v", name, err)
			}
		} else if err := r.put(t.Context(), &at); !errors.Is(err, errGone) {
			t.Errorf("%s for long: %v", name, err)
		}
	}
}
