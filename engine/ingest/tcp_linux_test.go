package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// TestFramesOfEverySize sends frames from 1 B to 1 MiB of payload over several
// connections, in pieces cut anywhere, and compares them event by event.
func TestFramesOfEverySize(t *testing.T) {
	const clients = 4
	s := serve(t, newRig(t, 256, testClasses), nil)
	sent := make([][]*wire.Frame, clients)
	total := 0
	for i := range clients {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		var stream []byte
		for j, size := range sizes(rng) {
			f := frame(fmt.Sprintf("%d/%d", i, j), make([]byte, size))
			for k := range f.Payload {
				f.Payload[k] = byte(rng.Uint32())
			}
			f.Version, f.ID = wire.V1+wire.Version(j%2), uint64(i)<<40|uint64(j)*uint64(j%2)
			f.Priority = event.Priority(j % event.Priorities)
			sent[i] = append(sent[i], f)
			stream = f.Append(stream)
			total++
		}
		go pieces(s.dial(t), stream, rng)
	}
	s.until(t, "all are in", func() bool { return len(s.events) == total })
	next := make([]int, clients)
	for _, e := range s.events {
		var client, index int
		fmt.Sscanf(e.topic, "%d/%d", &client, &index)
		want := sent[client][next[client]]
		next[client]++
		if e.topic != string(want.Topic) || !bytes.Equal(e.payload, want.Payload) || e.header.Priority != want.Priority {
			t.Fatalf("got %s of %d bytes, want %s of %d bytes", e.topic, len(e.payload), want.Topic, len(want.Payload))
		}
		if want.Version == wire.V2 && e.header.ID != want.ID || want.Version == wire.V1 && e.header.ID>>40 != 0 {
			t.Fatalf("%s: id %x, want %x", e.topic, e.header.ID, want.ID)
		}
	}
	if got := s.intake.Counters.Events.Load(); got != uint64(total) {
		t.Errorf("counted %d events, want %d", got, total)
	}
}

// sizes are payload sizes round every bound of the code, shuffled.
func sizes(rng *rand.Rand) []int {
	list := []int{wire.MaxBody - wire.HeadV2 - 8, wire.MaxBody / 2, readSize, readSize - 20, assembleOver, assembleOver + 1, assembleOver - 12, 2 << 10}
	for range 600 {
		list = append(list, rng.IntN(300))
	}
	for range 20 {
		list = append(list, rng.IntN(assembleOver*2))
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// pieces writes the stream in pieces of 1 B to 200 KiB.
func pieces(c *net.TCPConn, stream []byte, rng *rand.Rand) {
	for len(stream) > 0 {
		n := min(len(stream), 1+rng.IntN(1<<rng.IntN(18)))
		if _, err := c.Write(stream[:n]); err != nil {
			return
		}
		stream = stream[n:]
		if rng.IntN(8) == 0 {
			runtime.Gosched()
		}
	}
}

// TestOneByteAtATime is the slowest sender there is.
func TestOneByteAtATime(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	c := s.dial(t)
	stream := frame("b", []byte("second")).Append(frame("a", []byte("first")).Append(nil))
	for i := range stream {
		c.Write(stream[i : i+1])
		s.worker.Step(cpu.Now())
		time.Sleep(100 * time.Microsecond)
	}
	s.until(t, "both are in", func() bool { return len(s.events) == 2 })
	if !equalTopics(s.events, "a", "b") {
		t.Errorf("topics %q", topics(s.events))
	}
}

func TestBadBytesCloseTheirConnectionOnly(t *testing.T) {
	badSum := frame("t", []byte("xyz"))
	badSum.Version = wire.V2
	v2 := badSum.Append(nil)
	v2[len(v2)-1]++
	tests := []struct {
		name   string
		bytes  []byte
		status wire.Status
		log    string
	}{
		{"zero length", []byte{0, 0, 0, 0}, wire.Empty, "length 0"},
		{"oversized", []byte{0, 0x10, 0, 1}, wire.TooLarge, "length over 1 MiB"},
		{"garbage", []byte("\x00\x00\x00\x05garbage"), wire.BadKind, "unknown first byte"},
		{"topic too long", []byte{0, 0, 0, 4, 0, 9, 9, 'a'}, wire.BadTopic, "topic missing"},
		{"checksum", v2, wire.BadChecksum, "checksum does not match"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, newRig(t, 64, testClasses), nil)
			good, bad := s.dial(t), s.dial(t)
			whole := frame("before", nil).Append(nil)
			good.Write(whole[:5])
			bad.Write(append(frame("bad", nil).Append(nil), test.bytes...))
			s.until(t, "it is closed", func() bool { return closed(bad) })
			good.Write(whole[5:])
			s.until(t, "the other goes on", func() bool { return len(s.events) == 2 })
			if !equalTopics(s.events, "bad", "before") {
				t.Errorf("topics %q", topics(s.events))
			}
			if n := s.worker.Counts.Malformed[test.status].Load(); n != 1 {
				t.Errorf("counted %d", n)
			}
			s.until(t, "it is logged with the client's address", func() bool {
				return s.log.has(test.log) && s.log.has(bad.LocalAddr().String())
			})
		})
	}
}

func TestTruncatedFrame(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	c := s.dial(t)
	whole := frame("cut", make([]byte, 100)).Append(nil)
	c.Write(append(whole, whole[:50]...))
	c.Close()
	s.until(t, "it is counted", func() bool { return s.worker.Counts.Cut.Load() == 1 })
	if !equalTopics(s.events, "cut") {
		t.Errorf("topics %q", topics(s.events))
	}
	s.until(t, "it is logged", func() bool { return s.log.has("connection ended within a frame") })
}

func TestHTTPIsToldWhereItIs(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	type result struct {
		body string
		err  error
	}
	results := make(chan result, 1)
	go func() {
		answer, err := http.Get("http://" + s.tcp.Address.String() + "/metrics")
		if err != nil {
			results <- result{err: err}
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		results <- result{string(body), err}
	}()
	var got result
	s.until(t, "an answer", func() bool {
		select {
		case got = <-results:
			return true
		default:
			return false
		}
	})
	if got.err != nil || !strings.Contains(got.body, "takes EventStreamCore frames, not HTTP") {
		t.Errorf("%q, %v", got.body, got.err)
	}
	if n := s.worker.Counts.Foreign.Load(); n != 1 {
		t.Errorf("counted %d", n)
	}
	s.until(t, "it is logged", func() bool { return s.log.has("client speaks HTTP") })
}

func TestTLSIsRecognised(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	c := s.dial(t)
	c.Write([]byte{0x16, 3, 1, 2, 0, 1, 0})
	s.until(t, "it is closed", func() bool { return closed(c) })
	s.until(t, "it is logged", func() bool { return s.log.has("client speaks TLS") })
}

// TestBackpressure sends more than the lane and the pool hold, with no one to
// take it out: the worker must stop reading, lose nothing, and go on afterwards.
func TestBackpressure(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	const total = 400_000
	c := s.dial(t)
	wrote := make(chan error, 1)
	go func() {
		w := newWriter(c)
		for i := range uint64(total) {
			w.frame(frame("seq", binary.LittleEndian.AppendUint64(nil, i)))
		}
		wrote <- w.flush()
	}()
	for s.worker.Counts.Held.Load() == 0 {
		s.worker.Step(cpu.Now())
	}
	for range 10_000 { // no one drains
		s.worker.Step(cpu.Now())
	}
	if n := s.intake.Counters.Events.Load(); n > 64+batch {
		t.Fatalf("%d events admitted to a lane of 64", n)
	}
	s.until(t, "all are in", func() bool { return len(s.events) >= total })
	must(t, <-wrote)
	for i, e := range s.events {
		if got := binary.LittleEndian.Uint64(e.payload); got != uint64(i) {
			t.Fatalf("event %d has sequence %d", i, got)
		}
	}
	if s.worker.Counts.Held.Load() == 0 || s.worker.heldUntil == 0 {
		t.Error("the worker was never held, or does not know since when it is not")
	}
}

// newWriter is a client that gathers frames into large writes.
func newWriter(w io.Writer) *writer { return &writer{to: w} }

type writer struct {
	to     io.Writer
	buffer []byte
	err    error
}

func (w *writer) frame(f *wire.Frame) {
	if w.buffer = f.Append(w.buffer); len(w.buffer) > 64<<10 {
		w.flush()
	}
}

func (w *writer) flush() error {
	if w.err == nil {
		_, w.err = w.to.Write(w.buffer)
	}
	w.buffer = w.buffer[:0]
	return w.err
}

// TestOneBusyConnectionStarvesNoOther floods one connection while another sends a frame.
func TestOneBusyConnectionStarvesNoOther(t *testing.T) {
	s := serve(t, newRig(t, 1024, testClasses), nil)
	busy, quiet := s.dial(t), s.dial(t)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		w := newWriter(busy)
		for w.err == nil {
			select {
			case <-stop:
				return
			default:
				w.frame(frame("busy", make([]byte, 60)))
			}
		}
	}()
	s.until(t, "the flood is on", func() bool { return len(s.events) > 10_000 })
	s.events = s.events[:0]
	quiet.Write(frame("quiet", nil).Append(nil))
	s.until(t, "the quiet one is heard", func() bool {
		n := len(s.events)
		heard := n > 0 && bytes.Contains([]byte(strings.Join(topics(s.events), " ")), []byte("quiet"))
		s.events = s.events[:0]
		return heard
	})
}

func TestLimits(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), func(c *Config) { c.Limits.Connections, c.Limits.PerAddress = 5, 3 })
	from := func(ip string) *net.TCPConn {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).Dial("tcp", s.tcp.Address.String())
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c.(*net.TCPConn)
	}
	var open []*net.TCPConn
	for _, step := range []struct {
		ip      string
		refused bool
	}{
		{"127.0.0.1", false}, {"127.0.0.1", false}, {"127.0.0.1", false}, {"127.0.0.1", true}, // per address
		{"127.0.0.2", false}, {"127.0.0.2", false}, {"127.0.0.3", true}, // in all
	} {
		c := from(step.ip)
		before := len(s.events)
		c.Write(frame(step.ip, nil).Append(nil))
		s.until(t, "it is served or refused", func() bool { return len(s.events) > before || closed(c) })
		if refused := len(s.events) == before; refused != step.refused {
			t.Fatalf("connection %d, from %s: refused %v", len(open), step.ip, refused)
		}
		open = append(open, c)
	}
	open[0].Close()
	s.until(t, "its place is free", func() bool { return s.worker.Counts.Closed.Load() == 1 })
	again := from("127.0.0.1")
	before := len(s.events)
	again.Write(frame("again", nil).Append(nil))
	s.until(t, "a place given up is given again", func() bool { return len(s.events) > before })
	if n := s.tcp.Counts.Refused.Load(); n != 2 {
		t.Errorf("%d refused, want 2", n)
	}
	s.until(t, "both limits are named", func() bool {
		return s.log.has("5 connections are open, which") && s.log.has("3 connections are open from this address")
	})
}

func TestLateClients(t *testing.T) {
	tests := []struct {
		name string
		sent []byte
		log  string
	}{
		{"no first frame", nil, "no frame within the time for the first"},
		{"part of a first frame", frame("t", nil).Append(nil)[:6], "no frame within"},
		{"part of a second frame", append(frame("t", nil).Append(nil), 0, 0), "not completed in time"},
		{"a byte now and then", append(frame("t", nil).Append(nil), 0, 0, 200, 0, 1, 0, 0), "not completed in time"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, newRig(t, 64, testClasses), func(c *Config) {
				c.Limits.FirstFrame, c.Limits.Completion = 150*time.Millisecond, 200*time.Millisecond
			})
			late, good := s.dial(t), s.dial(t)
			good.Write(frame("good", nil).Append(nil))
			late.Write(test.sent)
			s.until(t, "it is closed", func() bool {
				if strings.HasPrefix(test.name, "a byte") {
					late.Write([]byte{1})
				}
				return closed(late)
			})
			s.until(t, "it is logged", func() bool { return s.log.has(test.log) })
			if s.worker.Counts.Late.Load() != 1 || closed(good) {
				t.Errorf("%d late; the good one closed: %v", s.worker.Counts.Late.Load(), closed(good))
			}
		})
	}
}

// TestHoldingBackIsNotLateness keeps a client waiting for longer than its limit.
func TestHoldingBackIsNotLateness(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), func(c *Config) { c.Limits.Completion = 150 * time.Millisecond })
	c := s.dial(t)
	var stream []byte
	for range 3000 {
		stream = frame("t", nil).Append(stream)
	}
	c.Write(stream[:len(stream)-1]) // the last frame stays incomplete
	for began := time.Now(); time.Since(began) < 400*time.Millisecond; {
		s.worker.Step(cpu.Now()) // held: no one drains
	}
	s.until(t, "all but one are in", func() bool { return len(s.events) == 2999 })
	c.Write(stream[len(stream)-1:])
	s.until(t, "the last is in", func() bool { return len(s.events) == 3000 })
}

// TestStop: what a client sent before is still taken, and one that sends on
// cannot keep the server from being drained.
func TestStop(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	finished, endless := s.dial(t), s.dial(t)
	const all = 20_000
	w := newWriter(finished)
	for range all {
		w.frame(frame("finished", nil))
	}
	done := make(chan struct{})
	go func() { w.flush(); finished.Close(); close(done) }()
	s.until(t, "the client has finished", func() bool { return isClosed(done) })
	go func() {
		for w := newWriter(endless); w.err == nil; {
			w.frame(frame("endless", make([]byte, 200)))
		}
	}()
	s.until(t, "the other sends", func() bool { return slices.Contains(topics(s.events), "endless") })
	s.tcp.Stop()
	s.until(t, "it is drained", s.tcp.Drained)
	count := 0
	for _, e := range s.events {
		if e.topic == "finished" {
			count++
		}
	}
	if count != all {
		t.Errorf("%d events, want %d", count, all)
	}
	if _, err := net.Dial("tcp", s.tcp.Address.String()); err == nil {
		t.Error("it still accepts")
	}
	s.worker.queue(&conn{last: lastReads})
	if s.worker.ready.n != 0 {
		t.Error("a client that has had its last reads is read on")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestListenRefuses(t *testing.T) {
	r := newRig(t, 64, testClasses)
	s := serve(t, r, nil)
	change := func(f func(*Config)) Config {
		c := Default("127.0.0.1:0", testClock())
		f(&c)
		return c
	}
	tests := []struct {
		name   string
		config Config
		says   []string
	}{
		{"port in use", change(func(c *Config) { c.Address = s.tcp.Address.String() }), []string{s.tcp.Address.String(), "in use", "--addr"}},
		{"off loopback", change(func(c *Config) { c.Address = "0.0.0.0:0" }), []string{"0.0.0.0:0", "loopback", "--insecure"}},
		{"every address", change(func(c *Config) { c.Address = ":0" }), []string{"loopback"}},
		{"no port", change(func(c *Config) { c.Address = "127.0.0.1" }), []string{"127.0.0.1", "HOST:PORT"}},
		{"no connections", change(func(c *Config) { c.Limits.Connections = 0 }), []string{"connections 0"}},
		{"no time", change(func(c *Config) { c.Limits.FirstFrame = 0 }), []string{"first frame 0s"}},
		{"no clock", change(func(c *Config) { c.Clock = cpu.Clock{} }), []string{"clock"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tcp, err := Listen(test.config, r.intake)
			if err == nil {
				tcp.Close()
				t.Fatal("accepted")
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
	if _, err := Listen(Default("127.0.0.1:0", testClock())); err == nil {
		t.Error("no worker: accepted")
	}
}

// TestBytesThatWaitAreNotLate: the client was in time, the worker was not.
func TestBytesThatWaitAreNotLate(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), func(c *Config) { c.Limits.Completion = 200 * time.Millisecond })
	c := s.dial(t)
	whole := frame("t", nil).Append(nil)
	c.Write(append(whole, whole[:5]...))
	s.until(t, "the first frame is in", func() bool { return len(s.events) == 1 })
	c.Write(whole[5:])
	time.Sleep(400 * time.Millisecond) // no one steps the worker
	s.until(t, "the second frame is in", func() bool { return len(s.events) == 2 })
}

// TestFarewellReadsTheRest: a close with bytes unread would reset the connection
// and take the answer with it.
func TestFarewellReadsTheRest(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.worker.buffer = s.worker.buffer[:1000]
	c := s.dial(t)
	c.Write(append([]byte("POST / HTTP/1.1\r\n"), make([]byte, 1500)...))
	s.until(t, "it is closed", func() bool { return s.worker.Counts.Closed.Load() == 1 })
	if answer, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.0 400")) {
		t.Errorf("%q, %v", answer, err)
	}
}

// TestNothingIsLeftBehind counts goroutines and descriptors.
func TestNothingIsLeftBehind(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(entries)
	}
	r := newRig(t, 64, testClasses)
	beforeGo, beforeFd := runtime.NumGoroutine(), descriptors()
	for round := range 3 {
		c := Default("127.0.0.1:0", testClock())
		tcp, err := Listen(c, r.intake)
		must(t, err)
		s := &server{rig: r, tcp: tcp, worker: tcp.Workers[0]}
		var clients []net.Conn
		for range 20 {
			client, err := net.Dial("tcp", tcp.Address.String())
			must(t, err)
			client.Write(frame("t", nil).Append(nil)[:4+round*2])
			clients = append(clients, client)
		}
		s.settle(t)
		must(t, tcp.Close())
		for _, client := range clients {
			client.Close()
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		goroutines, fds := runtime.NumGoroutine(), descriptors()
		if goroutines <= beforeGo && fds <= beforeFd {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines of %d, %d descriptors of %d", goroutines, beforeGo, fds, beforeFd)
		}
	}
}

func TestWorkerAllocatesNothing(t *testing.T) {
	s := serve(t, newRig(t, 1024, testClasses), nil)
	c := s.dial(t)
	var stream []byte
	for range 100 {
		stream = frame("t", make([]byte, 64)).Append(stream)
	}
	send := func() {
		c.Write(stream)
		s.swallow(100)
	}
	send()
	if n := testing.AllocsPerRun(50, send); n >= 1 {
		t.Errorf("%v allocations for 100 events", n)
	}
}
