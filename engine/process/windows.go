package process

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Windows says how the events of the BATCH lane are aggregated by topic: in
// tumbling windows, each from a multiple of its span since 1970 to the next.
type Windows struct {
	// Span is the length of a window: 100 ms to 1 h, default 5 s, as the
	// original's; 0 aggregates nothing.
	Span time.Duration
	// Topics is how many the windows tell apart at once: 1 to 65,536, default
	// 4,096, of 1.5 KiB each, and of 5.5 KiB with a ValueField. What is beyond
	// goes into one result without a topic.
	Topics int
	// Fold stores the results instead of the events.
	Fold bool

	// ValueField names a number at the top level of JSON payloads, whose
	// distribution goes into the results; "" is none.
	ValueField string
	// TimeField names one that says when the event happened, in TimeUnits since
	// 1970; "" goes by the time of receipt. An event without it, or of a time
	// that lies further ahead of its receipt than Lateness, is in no window.
	TimeField string
	TimeUnit  TimeUnit
	// Lateness is how long a window stays open for events that come out of
	// order: it ends when an event came that happened so much later than its
	// end, or when none came for its span and as long. 0 to four spans, default
	// 0; only with a TimeField. An event behind that is late.
	Lateness time.Duration
	// Late is what becomes of it.
	Late LatePolicy
}

// DefaultWindows are of 5 s, on receipt.
func DefaultWindows() Windows {
	return Windows{Span: 5 * time.Second, Topics: 4096, TimeUnit: TimeUnit(time.Millisecond)}
}

const (
	latenessMax = 4   // spans
	fieldMax    = 256 // bytes of a field's name
)

// Validate says what is out of range, or returns nil.
func (w Windows) Validate() error {
	if w.Span != 0 && (w.Span < 100*time.Millisecond || w.Span > time.Hour) {
		return fmt.Errorf("batch window: %v must be 100ms to 1h, or 0 for none", w.Span)
	}
	if w.Topics < 1 || w.Topics > 1<<16 {
		return fmt.Errorf("batch window topics: %d must be 1 to %d", w.Topics, 1<<16)
	}
	for _, field := range []string{w.ValueField, w.TimeField} {
		if len(field) > fieldMax || !utf8.ValidString(field) {
			return fmt.Errorf("batch window field %q: use up to %d bytes of UTF-8", field, fieldMax)
		}
	}
	return w.validateTime()
}

func (w Windows) validateTime() error {
	switch {
	case w.Lateness < 0 || w.Span != 0 && w.Lateness > latenessMax*w.Span:
		return fmt.Errorf("batch window lateness: %v must be 0 to %v, %d spans", w.Lateness, latenessMax*w.Span, latenessMax)
	case w.TimeField != "" && w.TimeUnit.String() == "":
		return fmt.Errorf("batch window time unit: %d ns: use s, ms, us or ns", int64(w.TimeUnit))
	case w.Late >= latePolicies:
		return fmt.Errorf("batch window: late policy %d: use 0 (open) or 1 (apart)", w.Late)
	}
	return nil
}

// LatePolicy is what becomes of an event whose window has ended.
type LatePolicy uint8

// The policies. Either way it is counted.
const (
	LateOpen  LatePolicy = iota // it goes into the oldest window that is open: every event is in some result
	LateApart                   // it goes into none, and is stored itself even where events are folded

	latePolicies
)

var lateNames = [latePolicies]string{"open", "apart"}

func (p LatePolicy) String() string {
	if p >= latePolicies {
		return fmt.Sprintf("late policy(%d)", uint8(p))
	}
	return lateNames[p]
}

// ParseLatePolicy is the inverse of String.
func ParseLatePolicy(name string) (LatePolicy, error) {
	for i, n := range lateNames {
		if n == name {
			return LatePolicy(i), nil
		}
	}
	return 0, fmt.Errorf("late policy %q: use open or apart", name)
}

// TimeUnit is what a time field counts in.
type TimeUnit time.Duration

var timeUnits = [...]struct {
	name string
	unit TimeUnit
}{{"s", TimeUnit(time.Second)}, {"ms", TimeUnit(time.Millisecond)}, {"us", TimeUnit(time.Microsecond)}, {"ns", TimeUnit(time.Nanosecond)}}

// String is "" for what is no unit.
func (u TimeUnit) String() string {
	for _, t := range timeUnits {
		if t.unit == u {
			return t.name
		}
	}
	return ""
}

// ParseTimeUnit is the inverse of String.
func ParseTimeUnit(name string) (TimeUnit, error) {
	for _, t := range timeUnits {
		if t.name == name {
			return t.unit, nil
		}
	}
	return 0, fmt.Errorf("time unit %q: use s, ms, us or ns", name)
}
