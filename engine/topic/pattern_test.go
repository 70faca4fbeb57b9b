package topic

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestAPatternMatchesAsATableDoes, over random patterns and topics of few names.
func TestAPatternMatchesAsATableDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	draw := func(from ...string) string {
		names := make([]string, 1+random.IntN(4))
		for i := range names {
			names[i] = from[random.IntN(len(from))]
		}
		return strings.Join(names, "/")
	}
	matched := 0
	for range 20_000 {
		text, topic := draw("a", "b", "+", ""), []byte(draw("a", "b", ""))
		if random.IntN(3) == 0 {
			text += "/#"
		}
		if text == "" {
			continue
		}
		p, err := ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		table, err := Parse("test", strings.NewReader(text+":HIGH\n"))
		if err != nil {
			t.Fatal(err)
		}
		_, want := table.Lookup(topic)
		if got := p.Matches(topic); got != want {
			t.Fatalf("%q and %q: matches %v, in a table %v", text, topic, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d matched", matched)
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for _, bad := range []string{"", "a/#/b", "a+", "#a", "a/b#", "\xff"} {
		if _, err := ParsePattern(bad); err == nil {
			t.Errorf("%q is a pattern", bad)
		}
	}
}
