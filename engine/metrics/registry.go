package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// Kind says how a reading moves.
type Kind uint8

// The kinds.
const (
	Count  Kind = iota // up only, from 0 at the start
	Level              // up and down
	Spread             // a Snapshot of durations in ns
)

// Label tells readings of one name apart, as lane="batch" does.
type Label struct{ Name, Value string }

// Reading is one figure at one moment, under the name by which it is scraped.
type Reading struct {
	Name   string // letters, digits and _, the unit last; a Count ends in _total
	Help   string // one line; the same in every reading of the name
	Kind   Kind
	Labels []Label // the same names in every reading of the name
	Value  float64
	Spread *Snapshot // of a Spread, whose Value is unused
}

// Source takes the readings of one part, calling emit once for each. It may be
// called from any goroutine, and by several at once.
type Source func(emit func(Reading))

// Registry lists the parts that can be read. It holds no figure itself: they
// stay where they are written, and nobody is handed the list (the original
// handed out its map, and a scrape raced with whoever added to it).
type Registry struct {
	mu      sync.Mutex
	sources []Source
}

// Add lists one more part. Any goroutine may call it at any time.
func (r *Registry) Add(s Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = append(r.sources, s)
}

// Gather reads every part. The readings are the caller's own, sorted by name and
// labels. One that is misnamed, or contradicts an earlier reading, is left out and
// named in the error; the others are good all the same.
func (r *Registry) Gather() (readings []Reading, err error) {
	r.mu.Lock()
	sources := slices.Clone(r.sources)
	r.mu.Unlock()
	var wrong []error
	first := map[string]Reading{}
	for _, source := range sources {
		source(func(next Reading) {
			if err := next.check(first); err != nil {
				wrong = append(wrong, fmt.Errorf("reading %s: %w", next.Name, err))
				return
			}
			next.Labels = slices.Clone(next.Labels)
			readings = append(readings, next)
		})
	}
	slices.SortStableFunc(readings, compare)
	for i := 1; i < len(readings); i++ {
		if compare(readings[i-1], readings[i]) == 0 {
			wrong = append(wrong, fmt.Errorf("reading %s: two of it with the labels %v", readings[i].Name, readings[i].Labels))
		}
	}
	return slices.CompactFunc(readings, func(a, b Reading) bool { return compare(a, b) == 0 }), errors.Join(wrong...)
}

// plain is what a name may look like, of a reading or of a label.
var plain = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// check judges the reading by itself and against the first of its name.
func (r Reading) check(first map[string]Reading) error {
	switch {
	case !plain.MatchString(r.Name):
		return errors.New("a name is lower-case letters, digits and _")
	case r.Help == "":
		return errors.New("it has no help")
	case (r.Kind == Spread) != (r.Spread != nil):
		return errors.New("a Spread has a snapshot, and nothing else has")
	}
	for _, l := range r.Labels {
		if !plain.MatchString(l.Name) || l.Name == "le" {
			return fmt.Errorf("label %q: lower-case letters, digits and _, and not le", l.Name)
		}
	}
	earlier, ok := first[r.Name]
	if !ok {
		first[r.Name] = r
		return nil
	}
	sameNames := slices.EqualFunc(earlier.Labels, r.Labels, func(a, b Label) bool { return a.Name == b.Name })
	if earlier.Help != r.Help || earlier.Kind != r.Kind || !sameNames {
		return errors.New("its help, kind or labels differ from those of the reading before")
	}
	return nil
}

func compare(a, b Reading) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), slices.CompareFunc(a.Labels, b.Labels, func(a, b Label) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	}))
}
