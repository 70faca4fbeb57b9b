package eventstreamcore_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rulesPage is the table of the rules of measuring: rule, code, test.
const rulesPage = "docs/measuring.md"

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// unkept lists what the table's rows name and the tree has not: a file, or a
// test. A rule without either is one that nothing keeps.
func unkept(page string, files, tests map[string]bool) (complaints []string) {
	all := rows(page)
	for _, cells := range all {
		if len(cells) != 3 {
			complaints = append(complaints, strings.Join(cells, " | ")+": want three cells")
			continue
		}
		for i, has := range []map[string]bool{files, tests} {
			named := quoted.FindAllStringSubmatch(cells[1+i], -1)
			if len(named) == 0 {
				complaints = append(complaints, cells[0]+": names no "+[]string{"code", "test"}[i])
			}
			for _, m := range named {
				if !has[m[1]] {
					complaints = append(complaints, cells[0]+": there is no "+m[1])
				}
			}
		}
	}
	if len(all) == 0 {
		complaints = append(complaints, "there are no rules")
	}
	return complaints
}

// TestRulesOfMeasuring holds the table against the tree.
func TestRulesOfMeasuring(t *testing.T) {
	page, err := os.ReadFile(rulesPage)
	if err != nil {
		t.Fatal(err)
	}
	files, tests := map[string]bool{}, map[string]bool{}
	for _, f := range tree(t) {
		files[f.path] = true
		if !strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		for _, m := range testFunction.FindAllStringSubmatch(f.text, -1) {
			tests[m[1]] = true
		}
	}
	for _, complaint := range unkept(string(page), files, tests) {
		t.Error(complaint)
	}
}

func TestRulesOfMeasuringFindsWhatIsGone(t *testing.T) {
	const head = "| rule | code | test |\n|---|---|---|\n"
	files, tests := map[string]bool{"a.go": true}, map[string]bool{"TestA": true}
	for row, want := range map[string][]string{
		"| one | `a.go` | `TestA` |":         nil,
		"| one | `b.go` | `TestA` |":         {"one: there is no b.go"},
		"| one | `a.go` | `TestA` `TestB` |": {"one: there is no TestB"},
		"| one | `a.go` | by eye |":          {"one: names no test"},
		"":                                   {"there are no rules"},
	} {
		if got := unkept(head+row+"\n", files, tests); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", row, got, want)
		}
	}
}
