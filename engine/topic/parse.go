package topic

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"eventstreamcore/engine/event"
)

// Limits of a file.
const (
	patternsMax  = 1 << 20
	levelsMax    = 32        // of a pattern with wildcards
	topicMax     = 1<<16 - 1 // bytes: no frame carries more
	lineMax      = 2 * topicMax
	mistakesSaid = 10
)

const byteOrderMark = "\ufeff" // that some editors write

// Load reads the file. Its errors name file and line, and what to do.
func Load(file string) (*Table, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	defer f.Close()
	return Parse(file, f)
}

// Parse reads lines of pattern:PRIORITY; the pattern ends at the last colon.
// Spaces around either do not count, nor do empty lines, nor those that begin
// with # unless it is the pattern #. The name stands in errors, of which it
// returns the first ten.
func Parse(name string, r io.Reader) (*Table, error) {
	p := parser{name: name, table: new(Table), names: map[string]event.Priority{}, lines: map[string]int{}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, lineMax)
	for s.Scan() {
		p.line++
		text := s.Text()
		if p.line == 1 {
			text = strings.TrimPrefix(text, byteOrderMark)
		}
		p.read(strings.TrimSpace(text))
		if len(p.mistakes) >= mistakesSaid || p.table.count > patternsMax {
			break
		}
	}
	switch err := s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.line++
		p.mistake("longer than %d bytes: a topic has at most %d", lineMax, topicMax)
	case err != nil:
		return nil, fmt.Errorf("topics: reading %s: %w", name, err)
	}
	if p.table.count > patternsMax {
		p.mistake("more than %d patterns: use wildcards", patternsMax)
	}
	if err := errors.Join(p.mistakes...); err != nil {
		return nil, err
	}
	p.table.names = newNames(p.names)
	return p.table, nil
}

// parser is a file half read.
type parser struct {
	name     string
	line     int // from 1
	table    *Table
	names    map[string]event.Priority // the table's, until the end
	lines    map[string]int            // where each pattern stands
	mistakes []error
}

func (p *parser) mistake(format string, args ...any) {
	p.mistakes = append(p.mistakes, fmt.Errorf("%s:%d: %s", p.name, p.line, fmt.Sprintf(format, args...)))
}

// read takes one line, without the spaces around it.
func (p *parser) read(line string) {
	if line == "" || line[0] == '#' && !strings.HasPrefix(line, "#:") {
		return
	}
	at := strings.LastIndexByte(line, ':')
	if at < 0 {
		p.mistake("%q has no priority: write topic:PRIORITY", line)
		return
	}
	pattern := strings.TrimSpace(line[:at])
	priority, err := event.ParsePriority(strings.TrimSpace(line[at+1:]))
	if err != nil {
		p.mistake("%v (a comment takes a line of its own)", err)
		return
	}
	wild, flaw := judge(pattern)
	switch earlier := p.lines[pattern]; {
	case flaw != "":
		p.mistake("topic %q %s", pattern, flaw)
		return
	case earlier > 0:
		p.mistake("topic %q stands on line %d already: strike one", pattern, earlier)
		return
	case wild:
		p.table.add(pattern, priority)
	default:
		p.names[pattern] = priority
	}
	p.lines[pattern] = p.line
	p.table.count++
}

// judge says whether the pattern has wildcards, or what is wrong with it and
// the remedy.
func judge(pattern string) (wild bool, flaw string) {
	switch {
	case pattern == "":
		return false, "is empty: name one before the colon"
	case len(pattern) > topicMax:
		return false, fmt.Sprintf("has %d bytes: a topic has at most %d", len(pattern), topicMax)
	case !utf8.ValidString(pattern):
		return false, "is not UTF-8: save the file as UTF-8"
	}
	count, closed := 0, false
	for level := range levels(pattern) {
		switch count++; {
		case closed:
			return false, "goes on behind #: # must be the last level"
		case level == "#":
			wild, closed = true, true
		case level == "+":
			wild = true
		case strings.ContainsAny(level, "+#"):
			return false, fmt.Sprintf("mixes a wildcard with a name in %q: + and # must be whole levels", level)
		}
	}
	if wild && count > levelsMax {
		return false, fmt.Sprintf("has wildcards and %d levels: at most %d", count, levelsMax)
	}
	return wild, ""
}
