package store

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

// writerMode, in the environment, makes the test binary a writer: it appends to
// the log in writerDir until it is killed, and answers on its standard output.
const (
	writerMode = "ESC_STORE_WRITER_MODE"
	writerDir  = "ESC_STORE_WRITER_DIR"
	writerFlaw = "ESC_STORE_WRITER_FLAW" // if set, it answers before it writes
)

// killConfig has small segments, few of them, and groups of all sizes.
func killConfig(dir string, mode Mode) Config {
	cfg := Default(dir)
	cfg.Mode, cfg.SegmentBytes, cfg.RetainBytes = mode, SegmentBytesMin, 3*SegmentBytesMin
	cfg.Interval = time.Millisecond
	return cfg
}

// answer is what a writer sends after a commit: what survives its death, and
// what survives a power cut.
type answer struct{ Written, Durable uint64 }

// write is the process that is killed.
func write(dir, mode string) error {
	m, err := ParseMode(mode)
	if err != nil {
		return err
	}
	l, _, err := Open(killConfig(dir, m))
	if err != nil {
		return err
	}
	w := filler{l: l}
	early := os.Getenv(writerFlaw) != ""
	for {
		w.append(1 + rand.IntN(60))
		l.Offer()
		if early {
			binary.Write(os.Stdout, binary.LittleEndian, answer{l.Gathered(), l.Gathered()})
		}
		if _, err := l.Commit(); err != nil {
			return err
		}
		if err := binary.Write(os.Stdout, binary.LittleEndian, answer{l.Written(), l.Durable()}); err != nil {
			return err
		}
	}
}

// filler appends events that can be checked: the id is the sequence, and the
// body follows from it.
type filler struct {
	l *Log
	s slot
}

// append takes n events as far as the log does.
func (w *filler) append(n int) {
	for range n {
		seq := w.l.next
		w.s.h = event.Header{Record: event.Record{ID: seq, Wall: time.Now().UnixNano(), Type: event.TypeEvent}}
		w.s.h.Fill([]byte("t"), body(seq, bodyMax))
		w.s.h.Seal()
		if _, ok := w.l.Append(&w.s.h); !ok {
			return
		}
	}
}

// try appends a hundred and commits.
func (w *filler) try() error {
	w.append(100)
	w.l.Offer()
	_, err := w.l.Commit()
	return err
}

// killOnce starts a writer, kills it some time after its first answer, and
// returns the last answer that came.
func killOnce(dir string, mode Mode, after time.Duration) (last answer, err error) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), writerMode+"="+mode.String(), writerDir+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return last, err
	}
	if err := c.Start(); err != nil {
		return last, err
	}
	in := bufio.NewReader(out)
	err = binary.Read(in, binary.LittleEndian, &last)
	timer := time.AfterFunc(after, func() { c.Process.Kill() })
	for err == nil {
		err = binary.Read(in, binary.LittleEndian, &last)
	}
	if timer.Stop() {
		c.Process.Kill()
		c.Wait()
		return last, fmt.Errorf("the writer ended by itself: %w", err)
	}
	c.Wait()
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return last, err
}

// survived checks what a killed writer left.
func survived(dir string, last answer) error {
	report, err := Verify(dir)
	if err != nil {
		return err
	}
	if c := report.Corrupt(); c != nil || report.Live {
		return fmt.Errorf("live %v, corrupt %v", report.Live, c)
	}
	if report.Last < last.Written {
		return fmt.Errorf("lost: %d was answered, the log ends at %d", last.Written, report.Last)
	}
	r, err := NewReader(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	return checkBodies(r, report.Last, bodyMax)
}

func TestKill(t *testing.T) {
	t.Parallel()
	cycles := 510
	if underRace {
		cycles = 30
	}
	for mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			n := uint64(0)
			for cycle := range cycles / int(modes) {
				if cycle%40 == 0 {
					dir = t.TempDir()
				}
				last, err := killOnce(dir, mode, time.Duration(rand.IntN(5000))*time.Microsecond)
				if err == nil {
					err = survived(dir, last)
				}
				if err != nil {
					t.Fatalf("cycle %d: %v", cycle, err)
				}
				n = last.Written
			}
			t.Logf("%d writers killed, the last at sequence %d", cycles/int(modes), n)
		})
	}
}

// TestKillFindsEarlyAnswers is the test of the test above.
func TestKillFindsEarlyAnswers(t *testing.T) {
	t.Setenv(writerFlaw, "1")
	for range 200 {
		dir := t.TempDir()
		last, err := killOnce(dir, Group, time.Duration(rand.IntN(2000))*time.Microsecond)
		if err != nil {
			t.Fatal(err)
		}
		if survived(dir, last) != nil {
			return
		}
	}
	t.Error("a writer that answers before it writes was not found out")
}
