package ingest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
)

// crowd is a server on a thread of its own, with a consumer that times the
// events of one well-behaved client.
type crowd struct {
	tcp       *TCP
	bell      *duty.Bell
	thread    *duty.Thread
	good      net.Conn
	latencies chan time.Duration
	others    atomic.Uint64 // events of other clients
	stop      atomic.Bool
	consumer  sync.WaitGroup
}

func newCrowd(t *testing.T, r *rig, change func(*Config)) *crowd {
	t.Helper()
	c := &crowd{bell: new(duty.Bell), latencies: make(chan time.Duration, 1<<16)}
	config := Default("127.0.0.1:0", testClock())
	config.Log = slog.New(slog.DiscardHandler)
	if change != nil {
		change(&config)
	}
	var err error
	c.tcp, err = Listen(config, r.intake)
	must(t, err)
	c.thread, err = duty.Start(duty.Plan{Name: "crowd", CPU: duty.Unpinned, Idle: duty.Park, Clock: testClock()}, c.bell, c.tcp.Workers[0])
	must(t, err)
	c.consumer.Go(func() { c.consume(r) })
	c.good, err = net.Dial("tcp", c.tcp.Address.String())
	must(t, err)
	return c
}

// consume takes events out; those of the topic "good" carry the time they were sent at.
func (c *crowd) consume(r *rig) {
	refs := make([]event.Ref, 256)
	for !c.stop.Load() {
		n := r.lane.PopBatch(refs)
		if n == 0 {
			time.Sleep(20 * time.Microsecond)
			continue
		}
		now := cpu.Now()
		for _, ref := range refs[:n] {
			h := r.arena.At(ref)
			if string(h.Topic()) != "good" {
				c.others.Add(1)
				continue
			}
			sent := cpu.Ticks(binary.LittleEndian.Uint64(h.Payload()))
			c.latencies <- time.Duration(testClock().Ns(now - sent))
		}
		r.pool.Return(refs[:n])
		c.bell.Ring()
	}
}

// p99 sends events at a steady pace and returns the 99th percentile of what they took.
func (c *crowd) p99(t *testing.T) time.Duration {
	t.Helper()
	const events, every = 1500, 200 * time.Microsecond
	payload := make([]byte, 64)
	f := frame("good", payload)
	var buffer []byte
	next := time.Now()
	var list []time.Duration
	for range events {
		next = next.Add(every)
		time.Sleep(time.Until(next))
		binary.LittleEndian.PutUint64(payload, uint64(cpu.Now()))
		buffer = f.Append(buffer[:0])
		_, err := c.good.Write(buffer)
		must(t, err)
	}
	for range events {
		select {
		case d := <-c.latencies:
			list = append(list, d)
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d events of the good client came", len(list), events)
		}
	}
	slices.Sort(list)
	return list[events*99/100]
}

func (c *crowd) close(t *testing.T) {
	t.Helper()
	c.good.Close()
	c.thread.Stop()
	must(t, c.tcp.Close())
	c.stop.Store(true)
	c.consumer.Wait()
}

// from dials from a loopback address of its own choice, 127.0.0.2 and on.
func (c *crowd) from(i int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%20))}}
	return d.Dial("tcp", c.tcp.Address.String())
}

// residentMiB is VmRSS.
func residentMiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	for line := range bytes.Lines(status) {
		if rest, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			must(t, err)
			return kib >> 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// TestProofCrowd: a thousand connections, ten thousand refused ones and a
// slow-loris of five hundred leave a well-behaved client its latency, and
// nothing behind. Alone and in the crowd are measured in turn, so that both see
// the same host; the medians are compared, of more turns where five do not do.
func TestProofCrowd(t *testing.T) {
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("a timed check of some 20 s: set ESC_PROOFS=1")
	}
	classes := memory.DefaultClasses()
	r := newRig(t, 16384, classes)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for name, gather := range map[string]func(*testing.T, *crowd) (disperse func()){
		"a thousand connections": thousand,
		"refused ones":           refusedOnes,
		"a slow-loris":           slowLoris,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, r, nil)
			var alone, crowded []time.Duration
			for turn := 0; turn < 5 || turn < 15 && 2*median(alone) < median(crowded); turn++ {
				alone = append(alone, c.p99(t))
				disperse := gather(t, c)
				crowded = append(crowded, c.p99(t))
				if rss := residentMiB(t); rss >= 512 {
					t.Errorf("%d MiB resident", rss)
				}
				disperse()
			}
			t.Logf("p99 alone %v, in the crowd %v; %d events of others", alone, crowded, c.others.Load())
			if median(crowded) > 2*median(alone) {
				t.Errorf("p99 in the crowd %v, over twice %v alone", median(crowded), median(alone))
			}
			c.close(t)
		})
	}
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines || openFiles(t) > files; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines of %d, %d descriptors of %d are left", runtime.NumGoroutine(), goroutines, openFiles(t), files)
		}
	}
}

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// gathered opens n connections and lets the first frame of each in.
func gathered(t *testing.T, c *crowd, n int) (conns []net.Conn) {
	t.Helper()
	before := c.others.Load()
	for i := range n {
		conn, err := c.from(i)
		must(t, err)
		_, err = conn.Write(frame("crowd", make([]byte, 20)).Append(nil))
		must(t, err)
		conns = append(conns, conn)
	}
	for deadline := time.Now().Add(20 * time.Second); c.others.Load() < before+uint64(n); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d connections were heard", c.others.Load()-before, n)
		}
	}
	return conns
}

// dispersed closes them, and waits until the server has noticed.
func dispersed(c *crowd, conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
	for c.tcp.Workers[0].load.Load() > 1 {
		time.Sleep(time.Millisecond)
	}
}

// thousand holds 1,000 connections open, of which some speak now and then.
func thousand(t *testing.T, c *crowd) func() {
	conns := gathered(t, c, 1000)
	stop := make(chan struct{})
	var speaker sync.WaitGroup
	speaker.Go(func() {
		whole := frame("crowd", make([]byte, 20)).Append(nil)
		for i := 0; !isClosed(stop); i++ {
			conns[i%len(conns)].Write(whole)
			time.Sleep(time.Millisecond)
		}
	})
	return func() {
		close(stop)
		speaker.Wait()
		dispersed(c, conns)
	}
}

// refusedOnes has 10,000 connections refused, in all rounds together.
func refusedOnes(t *testing.T, c *crowd) func() {
	conns := gathered(t, c, c.tcp.config.Limits.Connections-1)
	before := c.tcp.Counts.Refused.Load()
	stop := make(chan struct{})
	var knocker sync.WaitGroup
	knocker.Go(func() {
		for i := 0; i < 2000 || !isClosed(stop); i++ {
			conn, err := c.from(i)
			if err != nil {
				continue
			}
			bufio.NewReader(conn).ReadByte() // until it is closed
			conn.Close()
			time.Sleep(150 * time.Microsecond)
		}
	})
	return func() {
		close(stop)
		knocker.Wait()
		if n := c.tcp.Counts.Refused.Load() - before; n < 2000 {
			t.Errorf("%d were refused, want 2,000 or more", n)
		}
		dispersed(c, conns)
	}
}

// slowLoris has 500 connections send a byte of a large frame now and then.
func slowLoris(t *testing.T, c *crowd) func() {
	conns := gathered(t, c, 500)
	for _, conn := range conns {
		conn.Write([]byte{0, 0xf, 0, 0})
	}
	stop := make(chan struct{})
	var drip sync.WaitGroup
	drip.Go(func() {
		for i := 0; !isClosed(stop); i++ {
			conns[i%len(conns)].Write([]byte{1})
			time.Sleep(300 * time.Microsecond)
		}
	})
	return func() {
		close(stop)
		drip.Wait()
		dispersed(c, conns)
	}
}
