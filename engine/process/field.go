package process

import (
	"bytes"
	"strconv"
	"unsafe"
)

// field is the name of a number at the top level of a JSON object.
//
// It is looked for by hand because decoders allocate, or check a whole document
// of which one number is wanted: this reads up to that number, once, and takes
// no memory. So what stands behind the number may be anything, and a name that is
// written with escapes is never the one looked for. Of two numbers of the name
// the first counts.
type field string

// number is the field's value; false if the payload is no object, has no such
// field before it breaks off, or has something else than a finite number there.
func (f field) number(payload []byte) (float64, bool) {
	s := scanner{rest: payload}
	if !s.eat('{') {
		return 0, false
	}
	for {
		name, ok := s.text()
		if !ok || !s.eat(':') {
			return 0, false
		}
		if string(name) == string(f) {
			return s.number()
		}
		if !s.skip() || !s.eat(',') {
			return 0, false
		}
	}
}

// scanner is what is left of a JSON text.
type scanner struct{ rest []byte }

// next is the first byte that is no space, or 0 at the end; it stays.
func (s *scanner) next() byte {
	if len(s.rest) > 0 && marks[s.rest[0]] != space {
		return s.rest[0]
	}
	for i, c := range s.rest {
		if marks[c] != space {
			s.rest = s.rest[i:]
			return c
		}
	}
	s.rest = nil
	return 0
}

// marks are the bytes that end a word.
var marks = [256]uint8{' ': space, '\n': space, '\r': space, '\t': space, ',': mark, ':': mark, '{': mark, '}': mark, '[': mark, ']': mark, '"': mark}

const (
	space = 1
	mark  = 2
)

// eat takes the byte, if it is the next.
func (s *scanner) eat(c byte) bool {
	if s.next() != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// text takes a string and gives what is between its quotes, escapes and all.
func (s *scanner) text() ([]byte, bool) {
	if !s.eat('"') {
		return nil, false
	}
	for from := 0; ; {
		i := bytes.IndexByte(s.rest[from:], '"')
		if i < 0 {
			return nil, false
		}
		i += from
		if from = i + 1; !escaped(s.rest[:i]) {
			text := s.rest[:i]
			s.rest = s.rest[from:]
			return text, true
		}
	}
}

// escaped reports whether what comes behind the text is: an odd number of
// backslashes ends it.
func escaped(text []byte) (odd bool) {
	for i := len(text) - 1; i >= 0 && text[i] == '\\'; i-- {
		odd = !odd
	}
	return odd
}

// skip takes a value, whatever it is; of one in brackets it only looks for the end.
func (s *scanner) skip() bool {
	depth := 0
	for {
		switch s.next() {
		case 0:
			return false
		case '"':
			if _, ok := s.text(); !ok {
				return false
			}
		case '{', '[':
			depth++
			s.rest = s.rest[1:]
		case '}', ']':
			depth--
			s.rest = s.rest[1:]
		case ',', ':':
			if depth == 0 {
				return false
			}
			s.rest = s.rest[1:]
		default:
			s.word()
		}
		if depth <= 0 {
			return depth == 0
		}
	}
}

// word takes what is up to the next mark of the syntax: a number or a literal.
func (s *scanner) word() []byte {
	for i, c := range s.rest {
		if marks[c] != 0 {
			word := s.rest[:i]
			s.rest = s.rest[i:]
			return word
		}
	}
	word := s.rest
	s.rest = nil
	return word
}

func (s *scanner) number() (float64, bool) {
	s.next()
	word := s.word()
	if end := s.next(); end != ',' && end != '}' || !isNumber(word) {
		return 0, false
	}
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(word), len(word)), 64)
	if err != nil {
		return 0, false
	}
	return v, true
}

// isNumber tells numbers of JSON from those of Go, which may be 0x1p-2 or Inf.
func isNumber(w []byte) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(w) && w[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	at := func(c byte) bool {
		if i == len(w) || w[i] != c {
			return false
		}
		i++
		return true
	}
	at('-')
	if !at('0') && !digits() || at('.') && !digits() {
		return false
	}
	if at('e') || at('E') {
		if !at('-') {
			at('+')
		}
		if !digits() {
			return false
		}
	}
	return i == len(w)
}
