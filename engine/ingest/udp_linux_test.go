package ingest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// serveUDP is a server that takes datagrams into r, and a client of it.
func serveUDP(t testing.TB, r *rig, change func(*Datagrams)) (*server, *net.UDPConn) {
	t.Helper()
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.rig = r
	d := DefaultDatagrams("127.0.0.1:0")
	if change != nil {
		change(&d)
	}
	address, err := s.tcp.ListenUDP(d, r.intake)
	must(t, err)
	c, err := net.Dial("udp", address.String())
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return s, c.(*net.UDPConn)
}

// longestPayload is what one datagram holds of a v2 frame with a topic of n bytes.
func longestPayload(n int) int { return 65507 - wire.PrefixSize - wire.HeadV2 - n }

// TestDatagramsOfEverySize compares event by event, with sizes round what a slot holds.
func TestDatagramsOfEverySize(t *testing.T) {
	s, c := serveUDP(t, newRig(t, 256, testClasses), nil)
	rng := rand.New(rand.NewPCG(1, 1))
	list := []int{0, 1, longestPayload(5), longestPayload(5) - 1}
	for d := -40; d <= 40; d++ {
		list = append(list, udpSlot-event.HeaderSize-5+d)
	}
	for range 300 {
		list = append(list, rng.IntN(400))
	}
	for i, size := range list {
		f := &wire.Frame{Version: wire.V1 + wire.Version(i%2), Priority: event.Priority(i % 5), Topic: []byte("topic"), Payload: make([]byte, size)}
		for k := range f.Payload {
			f.Payload[k] = byte(rng.Uint32())
		}
		if f.Version == wire.V2 {
			f.ID, f.Intended, f.Flags = 7<<40|uint64(i), 99, wire.WantAnswer
		}
		_, err := c.Write(f.Append(nil))
		must(t, err)
		s.until(t, "it is in", func() bool { return len(s.events) == 1 })
		e := s.events[0]
		s.events = nil
		if e.topic != "topic" || !bytes.Equal(e.payload, f.Payload) || e.header.Priority != f.Priority || e.header.Intended != f.Intended ||
			e.header.Origin != event.FromUDP || e.header.Answer != 0 || f.ID != 0 && e.header.ID != f.ID {
			t.Fatalf("%d bytes, v%d: got %+v", size, f.Version, e.header)
		}
	}
	if counts := s.worker.UDPCounts(); counts.Received.Load() != uint64(len(list)) || counts.Dropped.Load() != 0 {
		t.Errorf("counted %d received, %d dropped of %d", counts.Received.Load(), counts.Dropped.Load(), len(list))
	}
}

func TestBadDatagramsAreIgnored(t *testing.T) {
	whole := frame("t", []byte("payload")).Append(nil)
	high := frame("t", nil)
	high.Priority = event.Critical
	for name, test := range map[string]struct {
		bytes   []byte
		counter func(*UDPCounts) *metrics.Counter
		log     string
	}{
		"empty":            {nil, func(c *UDPCounts) *metrics.Counter { return &c.Truncated }, "shorter than its frame"},
		"truncated":        {whole[:9], func(c *UDPCounts) *metrics.Counter { return &c.Truncated }, "shorter than its frame"},
		"two frames":       {append(whole, whole...), func(c *UDPCounts) *metrics.Counter { return &c.Trailing }, "goes on behind"},
		"garbage":          {[]byte("\x00\x00\x00\x05garbage"), func(c *UDPCounts) *metrics.Counter { return &c.Malformed[wire.BadKind] }, "unknown first byte"},
		"a hello":          {(&wire.Greeting{}).Append(nil), func(c *UDPCounts) *metrics.Counter { return &c.Malformed[wire.Hello] }, "hello"},
		"too high for cap": {high.Append(nil), func(c *UDPCounts) *metrics.Counter { return &c.Rejected }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := serveUDP(t, newRig(t, 64, testClasses), func(d *Datagrams) { d.Cap = event.High })
			c.Write(test.bytes)
			c.Write(whole)
			s.until(t, "the good one is in", func() bool { return equalTopics(s.events, "t") })
			if n := test.counter(s.worker.UDPCounts()).Load(); n != 1 {
				t.Errorf("counted %d", n)
			}
			if test.log != "" {
				s.until(t, "it is logged", func() bool { return s.log.has(test.log) && s.log.has(c.LocalAddr().String()) })
			}
		})
	}
}

// TestNoDatagramIsLostUnseen overruns the kernel's buffer: what was sent is what
// came in and what the kernel dropped, to the last.
func TestNoDatagramIsLostUnseen(t *testing.T) {
	s, c := serveUDP(t, newRig(t, 64, testClasses), func(d *Datagrams) { d.Buffer = 32 << 10 })
	const sent = 3000
	for i := range sent {
		f := frame(fmt.Sprint(i), make([]byte, 100))
		f.Version, f.ID = wire.V2, 3<<40|uint64(i+1)
		c.Write(f.Append(nil))
		if i%500 == 0 {
			s.worker.Step(cpu.Now())
		}
	}
	counts := s.worker.UDPCounts()
	s.until(t, "all are accounted for", func() bool { return counts.Received.Load()+counts.Dropped.Load() == sent })
	s.settle(t)
	if uint64(len(s.events)) != counts.Received.Load() || counts.Dropped.Load() == 0 {
		t.Errorf("%d events of %d received, %d dropped", len(s.events), counts.Received.Load(), counts.Dropped.Load())
	}
	last := s.events[len(s.events)-1].header.ID & counterMask
	if missing := counts.Missing.Load(); missing != last-s.events[0].header.ID&counterMask+1-uint64(len(s.events)) {
		t.Errorf("%d missing between %d events up to %d", missing, len(s.events), last)
	}
}

// TestDatagramsHoldBack leaves them in the socket while there is no room.
func TestDatagramsHoldBack(t *testing.T) {
	few := testClasses
	few[1].Count = 40
	for name, r := range map[string]*rig{"lane": newRig(t, 64, testClasses), "pool": newRig(t, 1024, few)} {
		t.Run(name, func(t *testing.T) {
			s, c := serveUDP(t, r, nil)
			const sent = 300
			for i := range sent {
				c.Write(frame(fmt.Sprint(i), make([]byte, udpSmall)).Append(nil))
			}
			for range 1000 {
				s.worker.Step(cpu.Now()) // no one drains
			}
			if c := &r.intake.Counters; c.LaneFull.Load()+c.NoSlot.Load() == 0 {
				t.Error("never held")
			}
			s.until(t, "all are in", func() bool { return len(s.events) == sent })
			for i, e := range s.events {
				if e.topic != fmt.Sprint(i) {
					t.Fatalf("event %d is %s", i, e.topic)
				}
			}
		})
	}
}

// TestSmallDatagramsKeepNoLargeSlot: many more of them may wait than there are
// slots to receive into.
func TestSmallDatagramsKeepNoLargeSlot(t *testing.T) {
	few := testClasses
	few[1].Count = udpBatch
	r := newRig(t, 1024, few)
	s, c := serveUDP(t, r, nil)
	const sent = 10 * udpBatch
	for i := range sent {
		c.Write(frame(fmt.Sprint(i), nil).Append(nil))
	}
	for deadline := time.Now().Add(30 * time.Second); r.lane.Len() < sent && time.Now().Before(deadline); {
		s.worker.Step(cpu.Now()) // no one drains
	}
	if n := r.lane.Len(); n != sent || r.intake.Counters.NoSlot.Load() != 0 {
		t.Errorf("%d of %d in the lane, %d times without a slot", n, sent, r.intake.Counters.NoSlot.Load())
	}
}

func TestDatagramsAreDrained(t *testing.T) {
	s, c := serveUDP(t, newRig(t, 64, testClasses), nil)
	for range 500 {
		c.Write(frame("before", nil).Append(nil))
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for !isClosed(stop) {
			c.Write(frame("endless", nil).Append(nil))
		}
	}()
	s.tcp.Stop()
	s.until(t, "it is drained", s.tcp.Drained)
	before := 0
	for _, e := range s.events {
		if e.topic == "before" {
			before++
		}
	}
	if before != 500 {
		t.Errorf("%d of 500", before)
	}
}

// TestSlotsComeHome closes a server in whose socket slots wait.
func TestSlotsComeHome(t *testing.T) {
	r := newRig(t, 64, testClasses)
	tcp, err := Listen(Default("127.0.0.1:0", testClock()), newRig(t, 64, testClasses).intake)
	must(t, err)
	address, err := tcp.ListenUDP(DefaultDatagrams("127.0.0.1:0"), r.intake)
	must(t, err)
	c, err := net.Dial("udp", address.String())
	must(t, err)
	defer c.Close()
	c.Write(frame("t", nil).Append(nil))
	for deadline := time.Now().Add(20 * time.Second); r.lane.Len() == 0 && time.Now().Before(deadline); {
		tcp.Workers[0].Step(cpu.Now())
	}
	if n := len(r.drain(t)); n != 1 {
		t.Fatalf("%d events", n)
	}
	must(t, tcp.Close())
	for i, class := range testClasses {
		if free := r.pool.Free(i); free != class.Count {
			t.Errorf("class %d: %d slots of %d are home", i, free, class.Count)
		}
	}
}

func TestDatagramWakesASleeper(t *testing.T) {
	s, c := serveUDP(t, newRig(t, 64, testClasses), nil)
	s.settle(t)
	for range 3 {
		s.worker.Sleep(time.Millisecond)
	}
	time.AfterFunc(20*time.Millisecond, func() { c.Write(frame("t", nil).Append(nil)) })
	awake := make(chan struct{})
	go func() { s.worker.Sleep(time.Hour); close(awake) }()
	select {
	case <-awake:
	case <-time.After(20 * time.Second):
		t.Fatal("still asleep after 20 s")
	}
	s.until(t, "it is in", func() bool { return len(s.events) == 1 })
}

func TestListenUDPRefuses(t *testing.T) {
	s, r := serve(t, newRig(t, 64, testClasses), nil), newRig(t, 64, testClasses)
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	for name, test := range map[string]struct {
		change func(*Datagrams)
		says   string
	}{
		"in use":       {func(d *Datagrams) { d.Address = taken.LocalAddr().String() }, "in use"},
		"off loopback": {func(d *Datagrams) { d.Address = "0.0.0.0:0" }, "--insecure"},
		"no port":      {func(d *Datagrams) { d.Address = "127.0.0.1" }, "HOST:PORT"},
		"buffer":       {func(d *Datagrams) { d.Buffer = 1 }, "receive buffer of 1 bytes"},
		"cap":          {func(d *Datagrams) { d.Cap = 5 }, "priority cap 5"},
	} {
		d := DefaultDatagrams("127.0.0.1:0")
		test.change(&d)
		if _, err := s.tcp.ListenUDP(d, r.intake); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.tcp.ListenUDP(DefaultDatagrams("127.0.0.1:0")); err == nil {
		t.Error("no intake: accepted")
	}
}

// TestUDPOfTwoWorkers: both sockets have the port, and no one else gets it.
func TestUDPOfTwoWorkers(t *testing.T) {
	a, b := newRig(t, 1024, testClasses), newRig(t, 1024, testClasses)
	spare := []*Intake{newRig(t, 64, testClasses).intake, newRig(t, 64, testClasses).intake}
	tcp, err := Listen(Default("127.0.0.1:0", testClock()), spare...)
	must(t, err)
	defer tcp.Close()
	address, err := tcp.ListenUDP(DefaultDatagrams("127.0.0.1:0"), a.intake, b.intake)
	must(t, err)
	if c, err := net.ListenPacket("udp", address.String()); err == nil {
		c.Close()
		t.Error("another got the port")
	}
	const clients = 60
	for range clients {
		c, err := net.Dial("udp", address.String())
		must(t, err)
		defer c.Close()
		c.Write(frame("t", nil).Append(nil))
	}
	inA, inB := 0, 0
	for deadline := time.Now().Add(20 * time.Second); inA+inB < clients && time.Now().Before(deadline); {
		tcp.Workers[0].Step(cpu.Now())
		tcp.Workers[1].Step(cpu.Now())
		inA += len(a.drain(t))
		inB += len(b.drain(t))
	}
	if inA == 0 || inB == 0 || inA+inB != clients {
		t.Errorf("%d and %d of %d", inA, inB, clients)
	}
	other := serve(t, newRig(t, 64, testClasses), nil)
	d := DefaultDatagrams(address.String())
	if _, err := other.tcp.ListenUDP(d, spare[0]); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server on the port: %v", err)
	}
}

// TestGaps holds the table to a map that forgets nothing.
func TestGaps(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var g gaps
	twin := map[uint64]uint64{}
	for range 200_000 {
		producer := 1 + rng.Uint64N(50)
		counter := twin[producer] + rng.Uint64N(4)
		seen, known := twin[producer]
		wantMissing, wantLate := uint64(0), uint64(0)
		if known && counter > seen {
			wantMissing = counter - seen - 1
		} else if known {
			wantLate = 1
		}
		if !known || counter > seen {
			twin[producer] = counter
		}
		missing, late, forgot := g.note(producer<<40 | counter)
		if missing != wantMissing || late != wantLate || forgot != 0 {
			t.Fatalf("producer %d, %d after %d: %d missing, %d late, %d forgot", producer, counter, seen, missing, late, forgot)
		}
	}
	forgot := uint64(0)
	for producer := range uint64(3 * gapPlaces) {
		missing, late, f := g.note((producer+100)<<40 | 5)
		if forgot += f; missing != 0 || late != 0 {
			t.Fatalf("a new producer is missing %d, late %d", missing, late)
		}
	}
	if forgot < gapPlaces {
		t.Errorf("%d forgotten of %d for %d places", forgot, 3*gapPlaces, gapPlaces)
	}
}

func TestDatagramsAllocateNothing(t *testing.T) {
	s, c := serveUDP(t, newRig(t, 1024, testClasses), nil)
	datagram := frame("t", make([]byte, 64)).Append(nil)
	step := func() {
		for range 20 {
			c.Write(datagram)
		}
		s.swallow(20)
	}
	step()
	if n := testing.AllocsPerRun(50, step); n >= 1 {
		t.Errorf("%v allocations for 20 datagrams", n)
	}
}

// BenchmarkUDP takes 78-byte datagrams that wait in the socket, in batches of 32.
func BenchmarkUDP(b *testing.B) {
	s, c := serveUDP(b, newRig(b, 16384, memory.DefaultClasses()), nil)
	datagram := frame("bench/1", make([]byte, 64)).Append(nil)
	refs := make([]event.Ref, 256)
	b.ReportAllocs()
	waiting := 0
	for b.Loop() {
		if waiting == 0 {
			b.StopTimer()
			for ; waiting < 64; waiting++ {
				c.Write(datagram)
			}
			s.worker.poll()
			b.StartTimer()
		}
		for s.lane.Len() == 0 {
			s.worker.Step(cpu.Now())
		}
		n := s.lane.PopBatch(refs[:1])
		s.pool.Release(refs[0])
		waiting -= n
	}
}
