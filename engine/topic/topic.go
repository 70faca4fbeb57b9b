// Package topic gives topics their priorities: a table of patterns, read from a
// file, that says of any topic how urgent it is at the least.
//
// It takes the position that a table never changes. A new file is a new Table,
// which whoever holds the old one puts in its place by one atomic store, so
// that no lookup takes a lock, allocates, or sees half a file. Where patterns
// overlap the most specific one wins, not the first and not the loudest: an
// operator must be able to say "all alarms but the test ones". It routes
// nothing and knows no connection; whoever looks up combines the two priorities.
package topic

import (
	"iter"
	"strings"
	"unsafe"

	"eventstreamcore/engine/event"
)

// Table maps topics to priorities. Parse and Load make one; it is immutable, and
// any goroutine may use it.
//
// A topic is levels between slashes. In a pattern the level + stands for any
// one level and # , which must be the last, for all levels from there on, none
// included: a/# matches a. Of the patterns that match, the winner is decided at
// the first level in which they differ: a name before +, and + before #.
type Table struct {
	names names // patterns without wildcards: always the most specific
	wild  *node // the others; nil is none
	count int
}

// Len is how many patterns the table has.
func (t *Table) Len() int { return t.count }

// Lookup is the topic's priority, and whether the table knows it.
func (t *Table) Lookup(topic []byte) (event.Priority, bool) {
	if p, ok := t.names.find(topic); ok {
		return p, true
	}
	if t.wild == nil {
		return 0, false
	}
	v := t.wild.match(topic, true)
	return v.priority, v.known
}

// verdict is what a pattern says of the topics that it matches.
type verdict struct {
	priority event.Priority
	known    bool
}

// node is one level of the patterns with wildcards.
type node struct {
	names map[string]*node
	any   *node   // behind +
	end   verdict // of the topic that ends here
	rest  verdict // of # in this place
}

// match is the verdict on the levels in topic; more is false where there are
// none left, for an empty level is one too. Its depth is the patterns', at most
// levelsMax, and the nodes it meets are the table's.
func (n *node) match(topic []byte, more bool) verdict {
	if !more {
		if n.end.known {
			return n.end
		}
		return n.rest
	}
	level, behind, more := cut(topic)
	if next := n.names[string(level)]; next != nil {
		if v := next.match(behind, more); v.known {
			return v
		}
	}
	if n.any != nil {
		if v := n.any.match(behind, more); v.known {
			return v
		}
	}
	return n.rest
}

// cut splits the first level off. Levels are short: a loop finds the slash
// sooner than a call does.
func cut(topic []byte) (level, behind []byte, more bool) {
	for i, c := range topic {
		if c == '/' {
			return topic[:i], topic[i+1:], true
		}
	}
	return topic, nil, false
}

// add puts a pattern with wildcards in, while the table is made.
func (t *Table) add(pattern string, p event.Priority) {
	if t.wild == nil {
		t.wild = new(node)
	}
	n := t.wild
	for level := range levels(pattern) {
		switch level {
		case "#":
			n.rest = verdict{p, true}
			return
		case "+":
			if n.any == nil {
				n.any = new(node)
			}
			n = n.any
		default:
			if n.names == nil {
				n.names = map[string]*node{}
			}
			if n.names[level] == nil {
				n.names[level] = new(node)
			}
			n = n.names[level]
		}
	}
	n.end = verdict{p, true}
}

func levels(pattern string) iter.Seq[string] { return strings.SplitSeq(pattern, "/") }

// Memo remembers the last topic of one sender, as most senders have but one. It
// belongs to one goroutine; the zero Memo remembers nothing.
//
// A repeated topic of up to two words is told by the Memo's own cache line: its
// first and its last word, which may overlap, are all of it.
type Memo struct {
	Priority event.Priority // of the topic; BATCH, the lowest, where the table does not know it

	table       *Table // that was asked
	length      int    // of the topic
	first, last uint64 // its words; first is all of a shorter one
	topic       []byte // a copy
}

// memoBytes is the longest topic that is remembered: no client may have the
// server keep 64 KiB for it.
const memoBytes = 256

// Holds reports whether the topic is the one that the table was asked for last;
// else its caller is to Ask. It calls nothing and needs no frame, which is why
// the two are apart.
func (m *Memo) Holds(t *Table, topic []byte) bool {
	n, at := len(topic), unsafe.Pointer(unsafe.SliceData(topic))
	switch {
	case m.table != t || m.length != n:
		return false
	case n < word:
		return short(topic) == m.first
	case *(*uint64)(at) != m.first || *(*uint64)(unsafe.Add(at, n-word)) != m.last:
		return false
	}
	return n <= 2*word || sameWords(unsafe.Pointer(unsafe.SliceData(m.topic)), at, n)
}

// short is a topic of less than a word as a number: with its length, all of it.
func short(topic []byte) uint64 {
	at, n := unsafe.Pointer(unsafe.SliceData(topic)), len(topic)
	switch {
	case n >= word/2:
		return uint64(*(*uint32)(at))<<32 | uint64(*(*uint32)(unsafe.Add(at, n-word/2)))
	case n > 0: // the first, the middle and the last of one to three
		return uint64(topic[0])<<16 | uint64(topic[n/2])<<8 | uint64(topic[n-1])
	}
	return 0
}

// Ask asks the table for the topic's priority, and remembers.
func (m *Memo) Ask(t *Table, topic []byte) {
	m.Priority, _ = t.Lookup(topic)
	m.table, m.length = t, len(topic)
	switch {
	case len(topic) > memoBytes:
		m.table = nil
		return
	case len(topic) < word:
		m.first = short(topic)
	default:
		at := unsafe.Pointer(unsafe.SliceData(topic))
		m.first, m.last = *(*uint64)(at), *(*uint64)(unsafe.Add(at, len(topic)-word))
	}
	m.topic = append(m.topic[:0], topic...)
}
