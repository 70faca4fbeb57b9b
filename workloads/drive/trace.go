package drive

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trace is when events once came, in ns after the first of them, ascending: the
// times of a schedule of the shape Replay.
type Trace []int64

// traceMost bounds a trace, in events: 800 MB of times.
const traceMost = 100_000_000

// ReadTrace reads a time in ns from each line: the first column of a CSV file, as
// esc load --times writes it, whose first line may be a heading; or the time of
// receipt in an object of esc log dump. Lines that are empty or open with # are
// passed over. Only the differences count, and the order does not: a log holds
// events in the order in which they were stored.
func ReadTrace(r io.Reader) (Trace, error) {
	var t Trace
	lines, number := bufio.NewScanner(r), 0
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		at, err := traceTime(line)
		switch {
		case err != nil && len(t) == 0 && number == 1: // a heading
			continue
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case len(t) == traceMost:
			return nil, fmt.Errorf("more than %d events: cut it", traceMost)
		}
		t = append(t, at)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return t.fromZero()
}

func traceTime(line string) (int64, error) {
	if line[0] == '{' {
		var e struct {
			Received time.Time `json:"received"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Received.IsZero() {
			return 0, errors.New("an object without a time in received: use the form of esc log dump")
		}
		return e.Received.UnixNano(), nil
	}
	first, _, _ := strings.Cut(line, ",")
	at, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no time in ns", first)
	}
	return at, nil
}

func (t Trace) fromZero() (Trace, error) {
	slices.Sort(t)
	if len(t) < 2 || t[len(t)-1] == t[0] {
		return nil, errors.New("a trace needs two events at different times")
	}
	first := t[0]
	for i := range t {
		t[i] -= first
	}
	return t, nil
}

// Rate is how many events a second came, on average.
func (t Trace) Rate() float64 { return float64(len(t)) / float64(t.length()) * 1e9 }

// length is the time in ns from the first event to the first one again: the last
// is followed by a gap of the mean length.
func (t Trace) length() int64 {
	last := t[len(t)-1]
	return last + last/int64(len(t)-1)
}
