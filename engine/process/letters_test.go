package process

import (
	"errors"
	"strings"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// letterLog is a log with room for so many, that fails when told.
type letterLog struct {
	bounded
	err error
}

func (l *letterLog) Commit() (int, error) { return 0, l.err }

func TestLetterLines(t *testing.T) {
	b := newBench(t)
	log, text := &letterLog{bounded: bounded{room: 10}}, new(strings.Builder)
	w := NewLetterWriter(b.letters, log, text, nanoClock, func(err error) { t.Error(err) })
	for _, topic := range []string{"plant/1", "a\nb\x1b[2J\\", "café \u0085"} {
		r := b.event(t, 7, 1)
		h := b.slots.At(r)
		h.Wall, h.Priority = 1_700_000_000_999_999_999, event.High
		h.Fill([]byte(topic), []byte("x"))
		b.chute.DropOne(r, wire.ReasonEmergency)
	}
	w.Step(1)
	want := "[1700000000] DROPPED: id=7 topic=plant/1 priority=3 reason=emergency_drop\n" +
		`[1700000000] DROPPED: id=7 topic=a\x0ab\x1b[2J\\ priority=3 reason=emergency_drop` + "\n" +
		`[1700000000] DROPPED: id=7 topic=café \xc2\x85 priority=3 reason=emergency_drop` + "\n"
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
	if w.Captured.Load() != 3 || b.pool.Reclaim() != 3 {
		t.Errorf("%d captured, want 3, and their slots home", w.Captured.Load())
	}
}

// TestLettersThatTheLogRefusesAreCounted, and hold up nothing.
func TestLettersThatTheLogRefusesAreCounted(t *testing.T) {
	b := newBench(t)
	told := 0
	log := &letterLog{bounded: bounded{room: 2}, err: errors.New("disk on fire")}
	w := NewLetterWriter(b.letters, log, new(strings.Builder), nanoClock, func(error) { told++ })
	for id := range uint64(5) {
		b.chute.DropOne(b.event(t, id, 1), wire.ReasonQueueFull)
	}
	w.Step(1)
	w.Step(cpu.Ticks(1e12))
	if w.Captured.Load() != 2 || w.Uncaptured.Load() != 3 || b.pool.Reclaim() != 5 || told != 1 {
		t.Errorf("%d captured, %d not, told %d times; want 2, 3 and once, and all slots home", w.Captured.Load(), w.Uncaptured.Load(), told)
	}
}

func TestHandlersWantAPattern(t *testing.T) {
	for _, bad := range []string{"a/#/b", "a+", "#a", "a/b#"} {
		if (Handler{Pattern: bad, Handle: func(*Event) error { return nil }}).Validate() == nil {
			t.Errorf("%s is a pattern", bad)
		}
	}
}
