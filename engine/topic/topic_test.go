package topic

import (
	"bufio"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventstreamcore/engine/event"
)

func parse(t testing.TB, text string) *Table {
	t.Helper()
	table, err := Parse("topics.conf", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestLookup(t *testing.T) {
	table := parse(t, `
		# urgent things
		alarms/#            : CRITICAL
		alarms/test/#       : BATCH
		alarms/+/ack        : HIGH
		orders/new:HIGH
		orders/+:MEDIUM
		+/debug:LOW
		urn:isbn:CRITICAL
	`)
	for topic, want := range map[string]string{
		"alarms":             "CRITICAL", // # stands for no level too
		"alarms/fire":        "CRITICAL",
		"alarms/a/b/c/d":     "CRITICAL",
		"alarms/test":        "BATCH",
		"alarms/test/ack":    "BATCH", // the name test comes before +
		"alarms/fire/ack":    "HIGH",
		"alarms//ack":        "HIGH", // an empty level is one
		"alarms/fire/ack/x":  "CRITICAL",
		"orders/new":         "HIGH",
		"orders/old":         "MEDIUM",
		"orders/":            "MEDIUM",
		"orders/debug":       "MEDIUM", // decided at the first level
		"x/debug":            "LOW",
		"orders":             "",
		"orders/new/x":       "",
		"x":                  "",
		"/alarms":            "",
		"urn:isbn":           "CRITICAL",
		"orders/new\x00":     "MEDIUM",
		"Alarms/fire":        "",
		"# urgent things":    "",
		"alarms/test\xff/ok": "CRITICAL",
	} {
		p, known := table.Lookup([]byte(topic))
		if got := p.String(); known && got != want || !known && want != "" {
			t.Errorf("%q: %s, %v, want %q", topic, got, known, want)
		}
	}
	if table.Len() != 7 {
		t.Errorf("%d patterns, want 7", table.Len())
	}
}

func TestTheWholeWorld(t *testing.T) {
	table := parse(t, "#:LOW\n+:MEDIUM\n\n#comment:HIGH\n")
	for topic, want := range map[string]event.Priority{"a": event.Medium, "a/b": event.Low, "/": event.Low} {
		if got, known := table.Lookup([]byte(topic)); got != want || !known {
			t.Errorf("%q: %v, %v, want %v", topic, got, known, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	deep := strings.Repeat("a/", levelsMax)
	for text, want := range map[string]string{
		"a/b:HIGH\n\nc/d\n":                      `topics.conf:3: "c/d" has no priority: write topic:PRIORITY`,
		"a:URGENT":                               `topics.conf:1: priority "URGENT": use one of BATCH, LOW, MEDIUM, HIGH, CRITICAL`,
		"a:HIGH # why":                           "a comment takes a line of its own",
		":HIGH":                                  "is empty",
		"a/#/b:LOW":                              `topics.conf:1: topic "a/#/b" goes on behind #: # must be the last level`,
		"a+/b:LOW":                               `mixes a wildcard with a name in "a+"`,
		"a/b#:LOW":                               `mixes a wildcard with a name in "b#"`,
		"a:LOW\nb:LOW\na:LOW":                    `topics.conf:3: topic "a" stands on line 1 already: strike one`,
		"a/+:LOW\na/+:HIGH":                      "stands on line 1 already",
		"a\xff:LOW":                              "is not UTF-8",
		deep + "#:LOW":                           "33 levels: at most 32",
		strings.Repeat("x", topicMax+1) + ":LOW": "has 65536 bytes: a topic has at most 65535",
		"a:LOW\n" + strings.Repeat("x", lineMax+1): "topics.conf:2: longer than 131070 bytes",
	} {
		_, err := Parse("topics.conf", strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %.200v, want %q", text, err, want)
		}
	}
	_, err := Parse("topics.conf", strings.NewReader(strings.Repeat("x\n", 1000)))
	if lines := strings.Count(fmt.Sprint(err), "\n") + 1; lines != mistakesSaid {
		t.Errorf("%d mistakes said, want %d", lines, mistakesSaid)
	}
	parse(t, byteOrderMark+"a:LOW\r\n"+deep+"a:HIGH\n"+strings.TrimSuffix(deep, "a/")+"#:LOW")
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "topics.conf")
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte("a:HIGH\nb\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.HasPrefix(err.Error(), file+":2: ") {
		t.Errorf("a mistake on line 2: %v", err)
	}
}

// line is a pattern of the twin.
type line struct {
	pattern  string
	priority event.Priority
}

// twinLookup tries every pattern, and orders those that match by a key: a name
// sorts before +, that before #, and the end before all.
func twinLookup(lines []line, topic string) (best event.Priority, known bool) {
	bestKey := ""
	for _, l := range lines {
		key, ok := twinMatch(strings.Split(l.pattern, "/"), strings.Split(topic, "/"))
		if ok && (!known || cmp.Less(key, bestKey)) {
			best, bestKey, known = l.priority, key, true
		}
	}
	return best, known
}

func twinMatch(pattern, topic []string) (key string, ok bool) {
	for i, level := range pattern {
		switch {
		case level == "#":
			return key + "3", true
		case i >= len(topic):
			return "", false
		case level == "+":
			key += "2"
		case level == topic[i]:
			key += "1"
		default:
			return "", false
		}
	}
	return key, len(pattern) == len(topic)
}

// twinParse reads what Parse accepted.
func twinParse(text string) (lines []line) {
	for s := bufio.NewScanner(strings.NewReader(strings.TrimPrefix(text, byteOrderMark))); s.Scan(); {
		l := strings.TrimSpace(s.Text())
		if l == "" || l[0] == '#' && (len(l) == 1 || l[1] != ':') {
			continue
		}
		parts := strings.Split(l, ":")
		p, _ := event.ParsePriority(strings.TrimSpace(parts[len(parts)-1]))
		lines = append(lines, line{strings.TrimSpace(strings.Join(parts[:len(parts)-1], ":")), p})
	}
	return lines
}

// TestTwin asks both of random tables over few names, so that patterns overlap
// in every way.
func TestTwin(t *testing.T) {
	var found, missed int
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		name := func(names ...string) string {
			levels := make([]string, 1+r.IntN(5))
			for i := range levels {
				levels[i] = names[r.IntN(len(names))]
			}
			return strings.Join(levels, "/")
		}
		var text strings.Builder
		seen := map[string]bool{}
		for range 1 + r.IntN(40) {
			pattern := name("a", "b", "", "+", "+")
			if r.IntN(3) == 0 {
				pattern += "/#"
			}
			if pattern == "" || seen[pattern] {
				continue
			}
			seen[pattern] = true
			fmt.Fprintf(&text, "%s:%v\n", pattern, event.Priority(r.IntN(event.Priorities)))
		}
		table, lines := parse(t, text.String()), twinParse(text.String())
		for range 200 {
			topic := name("a", "b", "c", "")
			got, known := table.Lookup([]byte(topic))
			want, wantKnown := twinLookup(lines, topic)
			if got != want || known != wantKnown {
				t.Fatalf("seed %d, topic %q: %v, %v; the twin says %v, %v\n%s", seed, topic, got, known, want, wantKnown, text.String())
			}
			if known {
				found++
			} else {
				missed++
			}
		}
	}
	if found < 10_000 || missed < 10_000 {
		t.Errorf("%d found, %d missed: the tables are too tame", found, missed)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"a/b:HIGH\n# x\n+/b:LOW\n#:BATCH\n", "a:HIGH", "a:HIG", "a/", "a/#/b:LOW", "a:b:LOW\r\n", "\ufeff#:LOW", "a/+:LOW\na/b:HIGH\n\xff", ":LOW", "a/b/#:CRITICAL"} {
		f.Add(text, "a/b")
	}
	f.Fuzz(func(t *testing.T, text, topic string) {
		table, err := Parse("f", strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("no place in %q", err)
			}
			return
		}
		lines := twinParse(text)
		if len(lines) != table.Len() {
			t.Fatalf("%d patterns of %d lines", table.Len(), len(lines))
		}
		for _, topic := range append([]string{topic}, asTopics(lines)...) {
			got, known := table.Lookup([]byte(topic))
			if want, wantKnown := twinLookup(lines, topic); got != want || known != wantKnown {
				t.Fatalf("%q: %v, %v; the twin says %v, %v", topic, got, known, want, wantKnown)
			}
		}
	})
}

// asTopics takes the patterns for topics, their wildcards for names.
func asTopics(lines []line) (topics []string) {
	for _, l := range lines[:min(len(lines), 50)] {
		topics = append(topics, l.pattern)
	}
	return topics
}

func TestMemo(t *testing.T) {
	first, second := parse(t, "a:HIGH\nlong/#:CRITICAL"), parse(t, "a:LOW")
	long := "long/" + strings.Repeat("x", 300)
	var m Memo
	for i, test := range []struct {
		table *Table
		topic string
		frame event.Priority
		want  event.Priority
	}{
		{first, "a", event.Batch, event.High},
		{first, "a", event.Batch, event.High},
		{first, "a", event.Critical, event.Critical}, // the higher of the two
		{first, "b", event.Medium, event.Medium},     // unknown: the frame's own
		{first, "b", event.Batch, event.Batch},
		{first, "a", event.Low, event.High},
		{second, "a", event.Batch, event.Low}, // another table: asked anew
		{first, "a", event.Batch, event.High},
		{first, long, event.Batch, event.Critical}, // too long to remember
		{first, long[:len(long)-1], event.Batch, event.Critical},
		{first, "a", event.Batch, event.High},
		{first, "", event.Batch, event.Batch},
	} {
		buffer := []byte(test.topic)
		if got := raise(&m, test.frame, test.table, buffer); got != test.want {
			t.Errorf("%d: %.20q at %v: %v, want %v", i, test.topic, test.frame, got, test.want)
		}
		clear(buffer) // the memo must not live in the caller's buffer
		if len(m.topic) > memoBytes {
			t.Errorf("%d bytes remembered", len(m.topic))
		}
	}
}

// TestNames finds each of 10,000 names, and none that differs in a byte or lacks
// its last.
func TestNames(t *testing.T) {
	table, topics := large()
	wild := table.wild
	table.wild = nil
	defer func() { table.wild = wild }()
	for i, topic := range topics {
		if p, known := table.Lookup(topic); !known || p != event.Priority(i%event.Priorities) {
			t.Fatalf("%s: %v, %v", topic, p, known)
		}
		if p, known := table.Lookup(append([]byte("q"), topic[1:]...)); known {
			t.Fatalf("q%s: %v", topic[1:], p)
		}
	}
	if _, known := parse(t, "").Lookup([]byte("a")); known {
		t.Error("an empty table knows a topic")
	}
}

// TestNamesThatCollide crowds a table with names of one hash, as an operator
// may by chance: they are found, one behind the other.
func TestNamesThatCollide(t *testing.T) {
	patterns := map[string]event.Priority{}
	byHash := map[uint32]string{}
	for i := 100_000; len(patterns) < 6; i++ { // two of 100,000 names have one hash of 32 bits, as a rule
		name := fmt.Sprintf("name/%d", i)
		h := hash([]byte(name))
		if other, met := byHash[h]; met {
			patterns[name], patterns[other] = event.High, event.Low
		}
		byHash[h] = name
	}
	n := newNames(patterns)
	for name, want := range patterns {
		if got, known := n.find([]byte(name)); !known || got != want {
			t.Errorf("%s: %v, %v, want %v", name, got, known, want)
		}
	}
}

// TestMemoTellsTopicsApart changes one byte at every place of topics of every
// length around the words' ends.
func TestMemoTellsTopicsApart(t *testing.T) {
	for n := 1; n <= 41; n++ {
		name := []byte(strings.Repeat("x", n))
		table := parse(t, string(name)+":HIGH")
		for i := range name {
			var m Memo
			raise(&m, event.Batch, table, name)
			if got := raise(&m, event.Batch, table, name); got != event.High {
				t.Fatalf("%d bytes again: %v", n, got)
			}
			name[i] ^= 1
			if got := raise(&m, event.Batch, table, name); got != event.Batch {
				t.Fatalf("%d bytes, another at %d: %v", n, i, got)
			}
			name[i] ^= 1
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	table, topics := large()
	var m Memo
	n := 0
	if allocs := testing.AllocsPerRun(1000, func() {
		n++
		table.Lookup(topics[n%len(topics)])
		table.Lookup([]byte("plant/7/line/9/sensor/temperature"))
		raise(&m, 0, table, topics[n/2%len(topics)])
	}); allocs != 0 {
		t.Errorf("a lookup allocates %g times", allocs)
	}
}

// large is a table of 10,000 names and a few wildcards, and the names.
func large() (*Table, [][]byte) {
	var text strings.Builder
	var topics [][]byte
	for i := range 10_000 {
		topics = append(topics, fmt.Appendf(nil, "plant/%d/line/%d", i%40, i))
		fmt.Fprintf(&text, "%s:%v\n", topics[i], event.Priority(i%event.Priorities))
	}
	text.WriteString("plant/+/line/+/sensor/+:MEDIUM\nplant/+/line/+/alarm/#:CRITICAL\nplant/7/+/9/sensor/#:LOW\naudit/#:HIGH\n")
	table, err := Parse("large", strings.NewReader(text.String()))
	if err != nil {
		panic(err)
	}
	return table, topics
}

var sink event.Priority

// BenchmarkLookup asks for 64 of the 10,000 topics in turn, as the connections
// of a busy moment would: hot is what they are.
func BenchmarkLookup(b *testing.B) {
	table, topics := large()
	for i := 0; b.Loop(); i++ {
		p, _ := table.Lookup(topics[i&63*157])
		sink += p
	}
}

// BenchmarkLookupAll asks for all 10,000 in a scattered order.
func BenchmarkLookupAll(b *testing.B) {
	table, topics := large()
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(topics), func(i, j int) { topics[i], topics[j] = topics[j], topics[i] })
	for i := 0; b.Loop(); i++ {
		if i == len(topics) {
			i = 0
		}
		p, _ := table.Lookup(topics[i])
		sink += p
	}
}

func BenchmarkLookupWild(b *testing.B) {
	table, _ := large()
	for _, topic := range []string{"plant/31/line/4711/sensor/temperature", "plant/7/line/9/alarm/fire", "audit/login", "nobody/knows"} {
		b.Run(strings.ReplaceAll(topic, "/", "."), func(b *testing.B) {
			t := []byte(topic)
			for b.Loop() {
				p, _ := table.Lookup(t)
				sink += p
			}
		})
	}
}

// raise is what ingest does.
func raise(m *Memo, p event.Priority, t *Table, topic []byte) event.Priority {
	if !m.Holds(t, topic) {
		m.Ask(t, topic)
	}
	return max(p, m.Priority)
}

// BenchmarkRepeat is one topic again and again, as most connections send it,
// 64 at a time, for the benchmark's own loop costs as much.
func BenchmarkRepeat(b *testing.B) {
	table, topics := large()
	for _, topic := range []string{string(topics[77]), "plant/31/line/4711/sensor/temperature", "bench/1", "t"} {
		b.Run(fmt.Sprintf("%d_bytes", len(topic)), func(b *testing.B) {
			var m Memo
			t := []byte(topic)
			for b.Loop() {
				p := event.Low
				for range 64 {
					if !m.Holds(table, t) {
						m.Ask(table, t)
					}
					p += max(event.Low, m.Priority)
				}
				sink += p
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/lookup")
		})
	}
}

//go:noinline
func (m *Memo) floor(t *Table, topic []byte) bool { return m.table == t }

func BenchmarkRepeatFloor(b *testing.B) {
	table, topics := large()
	var m Memo
	m.Ask(table, topics[77])
	for b.Loop() {
		p := event.Low
		for range 64 {
			if !m.floor(table, topics[77]) {
				m.Ask(table, topics[77])
			}
			p += max(event.Low, m.Priority)
		}
		sink += p
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/lookup")
}
