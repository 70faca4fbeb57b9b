package queue

import "testing"

// TestDedupSnapshot goes through every way in which rewrites of a line can fall
// between the loads of one put, and holds the put to what Dedup's comment proves:
// when its swap succeeds, it was at the edge and the id was not in the line. Left
// out, either of the two second looks must be missed.
//
// The others are taken at their best: each rewrite is a whole one, at the edge,
// that adds the id only where it is not. That is enough, for they are puts too: the
// first swap to go wrong would go wrong among such.
func TestDedupSnapshot(t *testing.T) {
	for _, c := range []struct {
		name         string
		word0, wordK bool
		sound        bool
	}{
		{"as it is", true, true, true},
		{"no second look at word 0", false, true, false},
		{"no second look at word k", true, false, false},
	} {
		m := model{word0: c.word0, wordK: c.wordK}
		for start := range int8(2 * lineWords) { // the edge at each word, on each side
			m.seen = map[situation]bool{}
			for at := int8(nowhere); at < lineWords; at++ {
				m.explore(situation{rewrites: start, at: at}, start+rewritesMax)
			}
		}
		if sound := m.wrong == 0; sound != c.sound {
			t.Errorf("%s: %d of %d swaps were wrong", c.name, m.wrong, m.swaps)
		}
		if m.swaps == 0 {
			t.Errorf("%s: no swap succeeded", c.name)
		}
	}
}

// rewritesMax is enough for the line to be gone round twice during a put.
const rewritesMax = 2*lineWords + 2

const nowhere = -1

// situation is the line and a put half done.
type situation struct {
	rewrites int8 // of the line so far: all else about the sides follows from it
	at       int8 // the word that holds the id

	step  int8 // of the put: 0 to 7 load these words, then word k, word 0, the swap
	first int8 // how often word 0 had been rewritten when it was loaded
	ones  uint8
	k     int8
	old   int8 // how often word k had been rewritten when it was loaded again
}

// of is how often word i has been rewritten: which value it has, as no two are
// alike, and by the lowest bit on which side it is.
func (s *situation) of(i int8) int8 { return (s.rewrites - i + lineWords - 1) / lineWords }

type model struct {
	word0, wordK bool
	seen         map[situation]bool
	swaps, wrong int
}

func (m *model) explore(s situation, limit int8) {
	if m.seen[s] {
		return
	}
	m.seen[s] = true
	if s.rewrites < limit {
		edge := s.rewrites % lineWords
		next := s
		next.rewrites++
		m.explore(next, limit) // rewritten as it was
		switch s.at {
		case nowhere:
			next.at = edge
			m.explore(next, limit) // the id is added
		case edge:
			next.at = nowhere
			m.explore(next, limit) // the id is pushed out
		}
	}
	if m.load(&s) {
		m.explore(s, limit)
	}
}

// load does the put's next step and reports whether it goes on.
func (m *model) load(s *situation) bool {
	switch step := s.step; {
	case step < lineWords:
		if s.at == step {
			return false // found
		}
		if step == 0 {
			s.first = s.of(0)
		}
		s.ones += uint8(s.of(step) & 1)
	case step == lineWords:
		s.k = int8(edge(uint64(s.first&1), uint64(s.ones)))
		s.old = s.of(s.k)
		if other := (s.old^s.first)&1 == 1; m.wordK && other != (s.k != 0) {
			return false
		}
	case step == lineWords+1:
		if m.word0 && s.of(0) != s.first {
			return false
		}
	default:
		if s.of(s.k) == s.old {
			m.swaps++
			if s.at != nowhere || s.rewrites%lineWords != s.k {
				m.wrong++
			}
		}
		return false
	}
	s.step++
	return true
}
