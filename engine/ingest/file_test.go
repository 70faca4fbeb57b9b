package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// reader is a File that the test steps.
type reader struct {
	*rig
	file   *File
	path   string
	log    *lines
	events []taken
	now    cpu.Ticks
}

func follow(t testing.TB, content string, change func(*Input)) *reader {
	t.Helper()
	r := &reader{rig: newRig(t, 256, testClasses), path: filepath.Join(t.TempDir(), "input"), log: new(lines), now: cpu.Now()}
	r.write(t, content)
	input := Input{Path: r.path, Topic: "lines", Priority: event.Low, Follow: true, Clock: testClock(), Log: slog.New(slog.NewTextHandler(r.log, nil))}
	if change != nil {
		change(&input)
	}
	file, err := OpenFile(input, r.intake)
	must(t, err)
	t.Cleanup(func() { must(t, file.Close()) })
	r.file = file
	return r
}

// write appends to the file of the name, as a program that logs does.
func (r *reader) write(t testing.TB, content string) {
	t.Helper()
	f, err := os.OpenFile(r.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.WriteString(content)
	must(t, err)
	must(t, f.Close())
}

// rest steps until nothing more comes, in a time of its own in which each idle
// step takes as long as the File waits before it looks again.
func (r *reader) rest(t testing.TB) []string {
	t.Helper()
	for idle := 0; idle < 4; {
		r.now += r.file.pause + 1
		work := r.file.Step(r.now)
		got := r.drain(t)
		r.events = append(r.events, got...)
		if idle++; work+len(got) > 0 {
			idle = 0
		}
	}
	var payloads []string
	for _, e := range r.events {
		payloads = append(payloads, string(e.payload))
	}
	r.events = nil
	return payloads
}

func (r *reader) expect(t testing.TB, want ...string) {
	t.Helper()
	if got := r.rest(t); !slices.Equal(got, want) {
		t.Fatalf("got %d: %.200q, want %d: %.200q", len(got), got, len(want), want)
	}
}

func TestFileOfLines(t *testing.T) {
	longest := strings.Repeat("x", wire.MaxBody-wire.HeadV1-len("lines"))
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"lines":              {"one\ntwo\nthree\n", []string{"one", "two", "three"}},
		"carriage returns":   {"one\r\ntwo\r\n", []string{"one", "two"}},
		"empty ones":         {"\n\none\n\r\n\n", []string{"one"}},
		"last without end":   {"one\ntwo", []string{"one", "two"}},
		"empty":              {"", nil},
		"longest":            {"one\n" + longest + "\r\ntwo\n", []string{"one", longest, "two"}},
		"too long by one":    {"one\n" + longest + "x\ntwo\n", []string{"one", "two"}},
		"very much too long": {"one\n" + longest + longest + longest + "\ntwo\n", []string{"one", "two"}},
		"too long and last":  {"one\n" + longest + longest, []string{"one"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := follow(t, test.content, func(i *Input) { i.Follow = false })
			r.expect(t, test.want...)
			if !r.file.Drained() || r.file.Err() != nil {
				t.Errorf("drained %v, %v", r.file.Drained(), r.file.Err())
			}
			if tooLong := strings.Contains(name, "too"); tooLong != (r.file.Counts.TooLong.Load() == 1) || tooLong != r.log.has("too long") {
				t.Errorf("%d too long", r.file.Counts.TooLong.Load())
			}
		})
	}
}

func TestFileEventsAreWhole(t *testing.T) {
	r := follow(t, "line\n", nil)
	for len(r.events) == 0 {
		r.file.Step(cpu.Now())
		r.events = r.drain(t)
	}
	if e := r.events[0]; e.topic != "lines" || e.header.Priority != event.Low || e.header.Origin != event.FromFile || e.header.ID == 0 || e.header.Wall == 0 {
		t.Errorf("%q: %+v", e.topic, e.header)
	}
}

func TestFileIsFollowed(t *testing.T) {
	r := follow(t, "old\n", func(i *Input) { i.AtEnd = true })
	r.expect(t)
	r.write(t, "new\nhal")
	r.expect(t, "new")
	r.write(t, "f\n")
	r.expect(t, "half")

	t.Log("replaced: what was written to the old one last still counts, also without an end of line")
	old := r.path + ".1"
	must(t, os.Rename(r.path, old))
	r.expect(t)
	late, err := os.OpenFile(old, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	late.WriteString("last of the old")
	late.Close()
	r.write(t, "first of the next\n")
	r.expect(t, "last of the old", "first of the next")

	t.Log("truncated")
	must(t, os.Truncate(r.path, 0))
	r.expect(t)
	r.write(t, "anew\n")
	r.expect(t, "anew")
	c := &r.file.Counts
	if c.Replaced.Load() != 1 || c.Truncated.Load() != 1 {
		t.Errorf("%d replaced, %d truncated", c.Replaced.Load(), c.Truncated.Load())
	}

	t.Log("a line that is too long ends with its file")
	r.write(t, strings.Repeat("x", 2*wire.MaxBody))
	r.expect(t)
	must(t, os.Rename(r.path, old))
	r.write(t, "not it\n")
	r.expect(t, "not it")

	t.Log("the longest line, and its end in two parts")
	longest := strings.Repeat("x", wire.MaxBody-wire.HeadV1-len("lines"))
	r.write(t, longest+"\r")
	r.expect(t)
	r.write(t, "\n")
	r.expect(t, longest)

	t.Log("it looks again only after a while")
	r.write(t, "soon\n")
	r.file.Step(r.now)
	if r.file.Step(r.now) != 0 {
		t.Error("it looked at once")
	}
	r.expect(t, "soon")

	r.file.Stop()
	r.write(t, "too late\n")
	r.expect(t)
	if !r.file.Drained() {
		t.Error("not drained after Stop")
	}
}

// TestFileAtRandom appends, rotates and truncates at random; every line must
// come once, in order. (A file is truncated only when all of it was read: what
// was not is lost, there as with any reader.)
func TestFileAtRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	r := follow(t, "", nil)
	written, rotations := 0, 0
	var got []string
	for range 400 {
		switch rng.IntN(8) {
		case 0:
			rotations++
			must(t, os.Rename(r.path, fmt.Sprintf("%s.%d", r.path, rotations)))
			r.write(t, "")
			got = append(got, r.rest(t)...) // two rotations at once lose what lies between
		case 1:
			got = append(got, r.rest(t)...)
			must(t, os.Truncate(r.path, 0))
			got = append(got, r.rest(t)...)
		case 2:
			got = append(got, r.rest(t)...)
		default:
			for range rng.IntN(50) {
				line := fmt.Sprintf("%d %s\n", written, strings.Repeat("-", rng.IntN(3000)))
				cut := rng.IntN(len(line))
				r.write(t, line[:cut])
				r.file.Step(r.now)
				r.write(t, line[cut:])
				written++
			}
		}
	}
	got = append(got, r.rest(t)...)
	if len(got) != written {
		t.Fatalf("%d lines of %d", len(got), written)
	}
	for i, line := range got {
		if !strings.HasPrefix(line, fmt.Sprintf("%d ", i)) {
			t.Fatalf("line %d is %.40q", i, line)
		}
	}
}

func frames(t testing.TB, n int) (stream []byte, payloads []string) {
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range n {
		f := frame("t", bytes.Repeat([]byte{byte(i)}, rng.IntN(300)))
		if i%10 == 0 {
			f.Payload = bytes.Repeat([]byte{byte(i)}, rng.IntN(wire.MaxBody-100))
		}
		if i%2 == 0 {
			f.Version, f.ID, f.Flags = wire.V2, 5<<40|uint64(i), wire.WantAnswer
		}
		stream = f.Append(stream)
		payloads = append(payloads, string(f.Payload))
	}
	return stream, payloads
}

func asFrames(i *Input) { i.Topic = "" }

func TestFileOfFrames(t *testing.T) {
	stream, want := frames(t, 60)
	half := len(stream) / 2
	r := follow(t, string(stream[:half]), asFrames)
	r.file.Step(r.now)
	r.file.Step(r.now)
	for _, e := range r.drain(t) {
		if r.events = append(r.events, e); e.header.Flags != 0 || e.header.Answer != 0 {
			t.Fatalf("flags %#x, question %d", e.header.Flags, e.header.Answer)
		}
	}
	got := r.rest(t)
	r.write(t, string(stream[half:]))
	if got = append(got, r.rest(t)...); !slices.Equal(got, want) {
		t.Fatalf("%d frames differ from %d", len(got), len(want))
	}
	r.write(t, string(stream[:100]))
	must(t, os.Rename(r.path, r.path+".1"))
	r.write(t, string(frame("t", []byte("next")).Append(nil)))
	r.expect(t, append(want[:0:0], "next")...)
	if r.file.Counts.Cut.Load() != 1 || !r.log.has("ends within a frame") {
		t.Errorf("%d cut", r.file.Counts.Cut.Load())
	}
}

func TestMalformedFrameEndsTheFile(t *testing.T) {
	good := frame("t", []byte("good")).Append(nil)
	r := follow(t, string(good)+"\x00\x00\x00\x00rest", asFrames)
	r.expect(t, "good")
	want := fmt.Sprintf("length 0 at byte %d", len(good))
	if err := r.file.Err(); err == nil || !strings.Contains(err.Error(), want) || !r.log.has(want) || !r.file.Drained() {
		t.Errorf("%v, want one that says %q", err, want)
	}
}

// TestFileHoldsBack has no one who drains for a while.
func TestFileHoldsBack(t *testing.T) {
	var content strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&content, i)
	}
	r := follow(t, content.String(), func(i *Input) { i.Follow = false })
	for range 100 {
		r.file.Step(r.now)
	}
	if r.file.Drained() || r.lane.Len() != 256 {
		t.Errorf("drained %v, %d in a lane of 256", r.file.Drained(), r.lane.Len())
	}
	for i, line := range r.rest(t) {
		if line != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if !r.file.Drained() {
		t.Error("not drained at the end")
	}
}

// TestFileIsNotDrainedTooSoon: the last events may wait for the lane.
func TestFileIsNotDrainedTooSoon(t *testing.T) {
	r := follow(t, strings.Repeat("line\n", 266), func(i *Input) { i.Follow = false })
	for range 20 {
		r.file.Step(r.now)
	}
	if r.file.Drained() || r.intake.Waiting() != 10 {
		t.Errorf("drained %v with %d events waiting", r.file.Drained(), r.intake.Waiting())
	}
	if n := len(r.rest(t)); n != 266 || !r.file.Drained() {
		t.Errorf("%d lines, drained %v", n, r.file.Drained())
	}
}

func TestFileSleeps(t *testing.T) {
	r := follow(t, "", nil)
	r.file.Wake()
	r.file.Sleep(time.Hour)
	time.AfterFunc(20*time.Millisecond, r.file.Wake)
	r.file.Sleep(time.Hour)
	r.file.Sleep(time.Millisecond)
}

func TestOpenFileRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	r := newRig(t, 64, testClasses)
	for name, test := range map[string]struct {
		input Input
		says  string
	}{
		"absent":   {Input{Path: filepath.Join(dir, "absent")}, "absent"},
		"folder":   {Input{Path: dir}, "is a folder"},
		"priority": {Input{Path: file, Topic: "t", Priority: 9}, "priority"},
		"topic":    {Input{Path: file, Topic: "\xff"}, "UTF-8"},
	} {
		if _, err := OpenFile(test.input, r.intake); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFileAllocatesNothing(t *testing.T) {
	r := follow(t, strings.Repeat("a line of a log\n", 50_000), nil)
	refs := make([]event.Ref, 256)
	if n := testing.AllocsPerRun(100, func() {
		r.file.Step(r.now)
		for _, ref := range refs[:r.lane.PopBatch(refs)] {
			r.pool.Release(ref)
		}
	}); n >= 1 {
		t.Errorf("%v allocations a step", n)
	}
}
