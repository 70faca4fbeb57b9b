package ingest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/wire"
)

// stage stands for the stages that answer: the test gives it events.
type stage struct{ lane *bus.Lane }

func (s *server) stage(t testing.TB) *stage {
	t.Helper()
	lane := &bus.Lane{Queue: queue.NewSPSC(make([]event.Ref, Questions), Questions), Bell: new(duty.Bell)}
	must(t, s.tcp.Answers(0, lane))
	return &stage{lane}
}

func (g *stage) answer(e taken, o wire.Outcome, r wire.Reason) {
	g.lane.Hand([]event.Ref{wire.NewReceipt(e.header.Answer, o, r, wire.ModeGroup)})
}

// asking is a v2 frame that wants an answer.
func asking(id uint64, priority event.Priority) *wire.Frame {
	return &wire.Frame{Version: wire.V2, ID: id, Priority: priority, Flags: wire.WantAnswer, Topic: []byte("ask")}
}

// heard reads n answers while the worker is stepped.
func (s *server) heard(t testing.TB, c net.Conn, n int) (answers []wire.Answer) {
	t.Helper()
	for _, b := range s.bytes(t, c, n*wire.AnswerSize, wire.AnswerSize) {
		a, status := wire.DecodeAnswer(b)
		if status != wire.OK {
			t.Fatalf("answer %x: %v", b, status)
		}
		answers = append(answers, a)
	}
	return answers
}

// bytes reads n of them, in pieces of a size, while the worker is stepped.
func (s *server) bytes(t testing.TB, c net.Conn, n, size int) (pieces [][]byte) {
	t.Helper()
	var all []byte
	buffer := make([]byte, 4096)
	s.until(t, "the answer is there", func() bool {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		got, err := c.Read(buffer[:min(len(buffer), n-len(all))])
		if all = append(all, buffer[:got]...); err == io.EOF && len(all) < n {
			t.Fatalf("closed after %d bytes of %d", len(all), n)
		}
		return len(all) == n
	})
	for ; len(all) > 0; all = all[size:] {
		pieces = append(pieces, all[:size])
	}
	return pieces
}

// TestAnswers answers the events of three clients in another order than they came.
func TestAnswers(t *testing.T) {
	s := serve(t, newRig(t, 1024, testClasses), nil)
	g := s.stage(t)
	const each = 100
	var clients []*net.TCPConn
	for i := range 3 {
		c := s.dial(t)
		var stream []byte
		for j := range each {
			stream = asking(uint64(i)<<40|uint64(j), event.High).Append(stream)
			stream = frame("no answer", nil).Append(stream)
		}
		c.Write(stream)
		clients = append(clients, c)
	}
	s.until(t, "all are in", func() bool { return len(s.events) == 2*3*each })
	if s.tcp.Answered() {
		t.Error("answered before anything was")
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(s.events), func(i, j int) { s.events[i], s.events[j] = s.events[j], s.events[i] })
	for i, e := range s.events {
		if asked := e.topic == "ask"; asked != (e.header.Answer != 0) {
			t.Fatalf("event %q has question %d", e.topic, e.header.Answer)
		}
		if e.header.Answer != 0 {
			g.answer(e, wire.Stored+wire.Outcome(i%2), wire.ReasonNone)
		}
	}
	for i, c := range clients {
		var ids []uint64
		for _, a := range s.heard(t, c, each) {
			if a.ID>>40 != uint64(i) || a.Outcome != wire.Stored && a.Outcome != wire.Durable {
				t.Fatalf("client %d hears %+v", i, a)
			}
			ids = append(ids, a.ID&(1<<40-1))
		}
		slices.Sort(ids)
		for j, id := range ids {
			if id != uint64(j) {
				t.Fatalf("client %d: answers to %v", i, ids)
			}
		}
	}
	s.settle(t)
	if !s.tcp.Answered() || s.worker.questions.open() != 0 || s.worker.unwritten != 0 {
		t.Errorf("%d questions open, %d bytes unwritten", s.worker.questions.open(), s.worker.unwritten)
	}
}

// TestAnswersAfterTheLastFrame: a client that has sent all still hears the rest.
func TestAnswersAfterTheLastFrame(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	g := s.stage(t)
	c := s.dial(t)
	c.Write(asking(9, event.High).Append(nil))
	c.CloseWrite()
	s.until(t, "it is in", func() bool { return len(s.events) == 1 })
	s.settle(t)
	g.answer(s.events[0], wire.DeadLettered, wire.ReasonQueueFull)
	if a := s.heard(t, c, 1)[0]; a != (wire.Answer{ID: 9, Outcome: wire.DeadLettered, Reason: wire.ReasonQueueFull}) {
		t.Errorf("heard %+v", a)
	}
	s.until(t, "then it is closed", func() bool { return closed(c) })
}

// TestCutIsCountedOnce: a client that ended within a frame, waits for an answer,
// and then goes for good, ended once.
func TestCutIsCountedOnce(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.stage(t)
	c := s.dial(t)
	c.Write(append(asking(1, event.High).Append(nil), 0, 0))
	c.CloseWrite()
	s.until(t, "its end is read", func() bool { return s.worker.Counts.Cut.Load() == 1 })
	c.SetLinger(0)
	c.Close()
	s.until(t, "it is gone", func() bool { return s.worker.Counts.Closed.Load() == 1 })
	if n := s.worker.Counts.Cut.Load(); n != 1 {
		t.Errorf("counted %d times", n)
	}
}

// TestAnswersToTheDeparted finds no one, or someone else, and says nothing.
func TestAnswersToTheDeparted(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	g := s.stage(t)
	c := s.dial(t)
	c.Write(asking(1, event.High).Append(nil))
	s.until(t, "it is in", func() bool { return len(s.events) == 1 })
	c.SetLinger(0) // a reset: the client is really gone
	c.Close()
	s.until(t, "it is gone", func() bool { return s.worker.Counts.Closed.Load() == 1 })
	heir := s.dial(t)
	heir.Write(asking(2, event.High).Append(nil))
	s.until(t, "another has its place", func() bool { return len(s.events) == 2 })
	g.answer(s.events[0], wire.Stored, wire.ReasonNone)
	g.answer(s.events[1], wire.Stored, wire.ReasonNone)
	if a := s.heard(t, heir, 1)[0]; a.ID != 2 {
		t.Errorf("heard %+v", a)
	}
	g.answer(s.events[1], wire.Stored, wire.ReasonNone) // twice: a bug of a stage
	s.until(t, "it is noticed", func() bool { return s.worker.Counts.Stray.Load() == 1 })
	s.settle(t)
	if !s.tcp.Answered() {
		t.Errorf("%d still owed", s.worker.owed.Load())
	}
}

// TestRejections are answered at once, and the connection goes on.
func TestRejections(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), func(c *Config) { c.Cap, c.Promise = event.High, Promise{Mode: wire.ModeOS} })
	c := s.dial(t)
	high, durable, silent := asking(1, event.Critical), asking(2, event.Low), asking(3, event.Critical)
	durable.Flags, silent.Flags = wire.WithLevel(wire.LevelDurable), 0
	stream := frame("v1", nil).Append(silent.Append(durable.Append(high.Append(nil))))
	loud := frame("v1 too high", nil)
	loud.Priority = event.Critical
	c.Write(loud.Append(stream))
	got := s.heard(t, c, 2)
	want := []wire.Answer{
		{ID: 1, Outcome: wire.Rejected, Reason: wire.ReasonPriority, Mode: wire.ModeOS},
		{ID: 2, Outcome: wire.Rejected, Reason: wire.ReasonUnavailable, Mode: wire.ModeOS},
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard %+v, want %+v", got, want)
	}
	s.until(t, "the good one is in", func() bool { return equalTopics(s.events, "v1") })
	s.until(t, "all are counted", func() bool { return s.worker.Counts.Rejected[wire.ReasonPriority].Load() == 3 })
	if n := s.worker.questions.open(); n != 0 {
		t.Errorf("%d questions open", n)
	}
}

// TestNoOneAnswers: without a stage that answers, asking is refused.
func TestNoOneAnswers(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	c := s.dial(t)
	c.Write(asking(4, event.High).Append(nil))
	want := wire.Answer{ID: 4, Outcome: wire.Rejected, Reason: wire.ReasonUnavailable}
	if a := s.heard(t, c, 1)[0]; a != want {
		t.Errorf("heard %+v, want %+v", a, want)
	}
}

// TestMalformedIsAnswered, in a connection that speaks v2, and then closed.
func TestMalformedIsAnswered(t *testing.T) {
	bad := asking(7, event.Low).Append(nil)
	bad[len(bad)-1]++
	for name, test := range map[string]struct {
		bytes  []byte
		reason wire.Reason
	}{
		"checksum":  {bad, wire.ReasonBadChecksum},
		"too large": {append(asking(1, event.Low).Append(nil), 255, 0, 0, 0), wire.ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, newRig(t, 64, testClasses), nil)
			s.stage(t)
			c := s.dial(t)
			c.Write(test.bytes)
			want := wire.Answer{Outcome: wire.Rejected, Reason: test.reason}
			if a := s.heard(t, c, 1)[0]; a != want {
				t.Errorf("heard %+v, want %+v", a, want)
			}
			s.until(t, "it is closed", func() bool { return closed(c) })
		})
	}
}

// TestMalformedAfterHello is answered too: whoever says hello understands answers.
func TestMalformedAfterHello(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	c := s.dial(t)
	c.Write(append((&wire.Greeting{}).Append(nil), 0, 0, 0, 0))
	got := s.bytes(t, c, 2*wire.AnswerSize, wire.AnswerSize)
	if _, status := wire.DecodeWelcome(got[0]); status != wire.OK {
		t.Errorf("welcome %x", got[0])
	}
	if a, status := wire.DecodeAnswer(got[1]); status != wire.OK || a.Outcome != wire.Rejected || a.Reason != wire.ReasonMalformed {
		t.Errorf("heard %+v, %v", a, status)
	}
}

// TestQuestionIsTakenBack: a frame that asked, found no room, and is then
// rejected, leaves no question open.
func TestQuestionIsTakenBack(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.stage(t)
	s.pause(false)
	c := s.dial(t)
	var stream []byte
	for range 64 + batch {
		stream = prioritised("fill", event.High, 0).Append(stream)
	}
	c.Write(asking(3, event.Medium).Append(stream))
	for s.worker.questions.open() == 0 {
		s.worker.Step(cpu.Now()) // no one drains: the frame that asks finds no room
	}
	s.pause(true)
	s.worker.Step(cpu.Now())
	want := wire.Answer{ID: 3, Outcome: wire.Rejected, Reason: wire.ReasonPaused}
	if a := s.heard(t, c, 1)[0]; a != want {
		t.Errorf("heard %+v, want %+v", a, want)
	}
	s.settle(t)
	if s.worker.questions.open() != 0 || !s.tcp.Answered() || s.worker.conns[0].owed != 0 {
		t.Errorf("%d questions open, the client is owed %d", s.worker.questions.open(), s.worker.conns[0].owed)
	}
}

// TestQuestionsHaveTurns: an answer to what had the place before is no answer.
func TestQuestionsHaveTurns(t *testing.T) {
	q := newQuestions(3)
	old := q.ask(&conn{}, 1)
	if q.close(old) == nil || q.close(old) != nil {
		t.Error("a question is not closed exactly once")
	}
	for range 1<<15 + 5 { // the turns wrap round
		again := q.ask(&conn{}, 2)
		if again == 0 || again == old || q.close(old) != nil {
			t.Fatalf("%#x was asked anew as %#x, or closed for it", old, again)
		}
		old = again
		if asked := q.close(again); asked == nil || asked.id != 2 {
			t.Fatal("the question is not found")
		}
	}
	if q.close(0) != nil || q.close(4) != nil || q.close(1<<placeBits-1) != nil {
		t.Error("places that are none were found")
	}
}

// TestQuestionsRunOut: one more than can be open waits in its socket.
func TestQuestionsRunOut(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	g := s.stage(t)
	s.worker.questions = newQuestions(2)
	c := s.dial(t)
	var stream []byte
	for i := range uint64(50) {
		stream = asking(i, event.High).Append(stream)
	}
	c.Write(stream)
	for range 25 {
		s.until(t, "two are in", func() bool { return len(s.events) == 2 })
		s.settle(t)
		if len(s.events) != 2 {
			t.Fatalf("%d are in with room for two questions", len(s.events))
		}
		for _, e := range s.events {
			g.answer(e, wire.Stored, wire.ReasonNone)
		}
		s.events = nil
	}
	for i, a := range s.heard(t, c, 50) {
		if a.ID != uint64(i) {
			t.Fatalf("answer %d is to %d", i, a.ID)
		}
	}
}

// TestClientThatDoesNotRead is first not read either, then cut off.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Run("for too long", func(t *testing.T) {
		s := serve(t, newRig(t, 1024, testClasses), func(c *Config) { c.Limits.Unreading = 300 * time.Millisecond })
		refuseToRead(t, s)
		s.until(t, "it is cut off", func() bool { return s.worker.Counts.Unreading.Load() == 1 })
		s.until(t, "it is logged", func() bool { return s.log.has("does not read its answers") })
	})
	t.Run("too much", func(t *testing.T) {
		s := serve(t, newRig(t, 1024, testClasses), func(c *Config) { c.Limits.Unread, c.Limits.Unreading = 4096, time.Hour })
		refuseToRead(t, s)
		s.until(t, "it is cut off", func() bool { return s.worker.Counts.Unreading.Load() == 1 })
	})
	t.Run("but then reads", func(t *testing.T) {
		s := serve(t, newRig(t, 1024, testClasses), nil)
		c := refuseToRead(t, s)
		s.until(t, "it is not read", func() bool { return len(s.worker.conns) == 1 && s.worker.conns[0].choked })
		go io.Copy(io.Discard, c)
		s.until(t, "it is read again", func() bool { return !s.worker.conns[0].choked })
	})
}

// refuseToRead asks without end for answers that the server gives itself.
func refuseToRead(t *testing.T, s *server) *net.TCPConn {
	s.worker.tcp.config.Promise.Level = wire.LevelStored
	c := s.dial(t)
	c.SetReadBuffer(256 << 10)
	f := asking(1, event.Low)
	f.Flags = wire.WithLevel(wire.LevelReplicated) // rejected, and answered, at once
	var chunk []byte
	for range 1000 {
		chunk = f.Append(chunk)
	}
	go func() {
		for {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}()
	return c
}

func TestHello(t *testing.T) {
	secret := Secret(strings.Repeat("s", leastSecret))
	tokens := []Token{{Name: "other", Secret: "0123456789abcdef!", Cap: event.Critical}, {Name: "low", Secret: secret, Cap: event.Low}}
	tests := []struct {
		name    string
		tokens  []Token
		hello   *wire.Greeting
		welcome bool
	}{
		{"none needed, none sent", nil, nil, false},
		{"none needed", nil, &wire.Greeting{WantProducer: true}, true},
		{"right token", tokens, &wire.Greeting{Token: []byte(secret)}, true},
		{"wrong token", tokens, &wire.Greeting{Token: []byte("guess")}, false},
		{"empty token", tokens, &wire.Greeting{}, false},
		{"no hello", tokens, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, newRig(t, 64, testClasses), func(c *Config) { c.Tokens = test.tokens })
			s.stage(t)
			c := s.dial(t)
			if test.hello != nil {
				c.Write(test.hello.Append(nil))
			}
			if test.welcome {
				producer, status := wire.DecodeWelcome(s.bytes(t, c, wire.AnswerSize, wire.AnswerSize)[0])
				if status != wire.OK || (producer != 0) != test.hello.WantProducer || producer>>24 != 0 {
					t.Fatalf("welcome: producer %d, %v", producer, status)
				}
			}
			c.Write(frame("event", nil).Append(nil)) // MEDIUM
			switch {
			case test.tokens == nil:
				s.until(t, "the event is in", func() bool { return len(s.events) == 1 })
			case test.welcome: // this token is for LOW and less
				s.until(t, "the event is refused", func() bool { return s.worker.Counts.Rejected[wire.ReasonPriority].Load() == 1 })
			default:
				want := wire.Answer{Outcome: wire.Rejected, Reason: wire.ReasonUnauthorised}
				if a := s.heard(t, c, 1)[0]; a != want {
					t.Errorf("heard %+v, want %+v", a, want)
				}
				s.until(t, "it is closed", func() bool { return closed(c) })
				if s.log.has(string(secret)) || s.log.has("guess") {
					t.Error("the log shows a token")
				}
			}
		})
	}
}

func TestHelloComesFirstOrNever(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	c := s.dial(t)
	c.Write((&wire.Greeting{}).Append(frame("event", nil).Append(nil)))
	s.until(t, "it is closed", func() bool { return closed(c) })
	if n := s.worker.Counts.Malformed[wire.BadHello].Load(); n != 1 {
		t.Errorf("counted %d", n)
	}
}

func TestProducersDiffer(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.tcp.producer = 1<<24 - 3 // just short of where they start anew
	seen := map[uint64]bool{}
	for range 10 {
		p := s.tcp.newProducer()
		if p == 0 || p >= 1<<24 || seen[p] {
			t.Fatalf("producer %d after %v", p, seen)
		}
		seen[p] = true
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	token := Token{Name: "n", Secret: "very-very-secret"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, token); strings.Contains(text, "very") {
			t.Errorf("%s shows %s", format, text)
		}
	}
	short := []Token{{Name: "short", Secret: "x"}}
	c := Default("", testClock())
	c.Tokens = short
	if err := c.Validate(1); err == nil || !strings.Contains(err.Error(), `token "short"`) {
		t.Errorf("a short secret: %v", err)
	}
}

// TestIntendedTimes: carried as they are, unless they are to be trusted.
func TestIntendedTimes(t *testing.T) {
	boot, namespace, err := Identity()
	must(t, err)
	if raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err != nil || !strings.HasPrefix(string(raw), boot) {
		t.Errorf("boot id %q of %q, %v", boot, raw, err)
	}
	raw, err := cpu.ReadAnchor(cpu.MonotonicRaw)
	must(t, err)
	now := uint64(raw.Ns)
	here := &wire.Greeting{BootID: []byte(boot), TimeNamespace: namespace}
	elsewhere := &wire.Greeting{BootID: []byte("another"), TimeNamespace: namespace}
	for _, test := range []struct {
		name     string
		trust    bool
		hello    *wire.Greeting
		intended uint64
		carried  bool
		untimely uint64
	}{
		{"as it is", false, nil, 5, true, 0},
		{"trusted", true, here, now - 1e6, true, 0},
		{"no hello", true, nil, now - 1e6, false, 0},
		{"another machine", true, elsewhere, now - 1e6, false, 0},
		{"in the future", true, here, now + 1e12, false, 1},
		{"too old", true, here, now - 61e9, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, newRig(t, 64, testClasses), func(c *Config) { c.TrustIntended = test.trust })
			c := s.dial(t)
			if test.hello != nil {
				c.Write(test.hello.Append(nil))
			}
			f := asking(1, event.High)
			f.Flags, f.Intended = 0, test.intended
			c.Write(f.Append(nil))
			s.until(t, "it is in", func() bool { return len(s.events) == 1 })
			want := uint64(0)
			if test.carried {
				want = test.intended
			}
			if got := s.events[0].header.Intended; got != want || s.worker.Counts.Untimely.Load() != test.untimely {
				t.Errorf("intended %d, want %d; %d untimely", got, want, s.worker.Counts.Untimely.Load())
			}
		})
	}
}
