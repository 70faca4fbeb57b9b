package topic

import "fmt"

// Pattern is a pattern by itself, for who has a few, each with something to do.
// It matches what it would match in a Table.
type Pattern struct{ levels []string }

// ParsePattern reads one. Its errors name it, and what to do.
func ParsePattern(text string) (Pattern, error) {
	if _, flaw := judge(text); flaw != "" {
		return Pattern{}, fmt.Errorf("topic %q %s", text, flaw)
	}
	var p Pattern
	for level := range levels(text) {
		p.levels = append(p.levels, level)
	}
	return p, nil
}

// Matches reports whether the topic is one of the pattern's.
func (p Pattern) Matches(topic []byte) bool {
	level, more := topic, true
	for _, want := range p.levels {
		if want == "#" {
			return true
		}
		if !more {
			return false
		}
		level, topic, more = cut(topic)
		if want != "+" && want != string(level) {
			return false
		}
	}
	return !more
}
