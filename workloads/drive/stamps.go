package drive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Stamp is what the sender alone knows of an event, in ns of CLOCK_MONOTONIC_RAW.
type Stamp struct {
	Due  int64
	Sent int64 // just before the write that took it to the kernel
}

const stampHeading = "due_ns,sent_ns"

// WriteStamps writes a CSV file of the stamps, an event a line, in the order of
// their numbers. ReadTrace reads it too.
func WriteStamps(w io.Writer, stamps []Stamp) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, stampHeading)
	var line []byte
	for _, s := range stamps {
		line = strconv.AppendInt(line[:0], s.Due, 10)
		line = append(line, ',')
		line = append(strconv.AppendInt(line, s.Sent, 10), '\n')
		out.Write(line)
	}
	return out.Flush()
}

// ReadStamps is the inverse of WriteStamps.
func ReadStamps(r io.Reader) (stamps []Stamp, err error) {
	lines := bufio.NewScanner(r)
	if !lines.Scan() || lines.Text() != stampHeading {
		return nil, errors.Join(fmt.Errorf("line 1 is not %q", stampHeading), lines.Err())
	}
	for lines.Scan() {
		due, sent, _ := strings.Cut(lines.Text(), ",")
		var s Stamp
		if s.Due, err = strconv.ParseInt(due, 10, 64); err == nil {
			s.Sent, err = strconv.ParseInt(sent, 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(stamps)+2, err)
		}
		stamps = append(stamps, s)
	}
	return stamps, lines.Err()
}
