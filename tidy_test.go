package eventstreamcore_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// Limits, in lines.
const (
	functionLines = 70
	fileLines     = 400
	testFileLines = 600
)

// exceptions lists what may break a rule, as "rule: place", with the reason.
var exceptions = map[string]string{}

// complaint is one breach of a rule.
type complaint struct {
	place string // a folder, a file, or file:name
	text  string
}

// rule judges the files of one folder. Each of its bad samples, txtar archives,
// must be found fault with exactly once.
type rule struct {
	name  string
	check func(folder []source) []complaint
	bad   []string
}

var rules = []rule{
	{"gofmt", eachGo(unformatted), []string{"-- a.go --\npackage  a\n"}},
	{"short functions", eachGo(longFunctions), []string{
		"-- a.go --\npackage a\n\nfunc long() {\n" + strings.Repeat("\n", functionLines-1) + "}\n",
		"-- a.go --\npackage a\n\nvar long = func() {\n" + strings.Repeat("\n", functionLines-1) + "}\n",
	}},
	{"short files", each(longFile), []string{
		"-- a.go --\npackage a\n" + strings.Repeat("\n", fileLines),
		"-- a.s --\n" + strings.Repeat("RET\n", fileLines+1),
		"-- a_test.go --\npackage a\n" + strings.Repeat("\n", testFileLines),
	}},
	{"package comment", packageComment, []string{
		"-- a.go --\npackage a\n",
		"-- a.go --\n// About a.\npackage a\n",
		"-- a.go --\n// Package a is.\npackage a\n-- b.go --\n// Package a is that too.\npackage a\n",
		"-- a.go --\n// Package main is.\npackage main\n",
	}},
	{"package name", eachGo(nounless), []string{
		"-- a.go --\npackage util\n", "-- a.go --\npackage helpers_test\n", "-- engine/internal/a/a.go --\npackage a\n",
	}},
	{"no init", eachGo(initFunctions), []string{"-- a.go --\npackage a\n\nfunc init() {}\n"}},
	{"no stutter", eachGo(stutters), []string{
		"-- a.go --\npackage queue\n\ntype QueueReader int\n", "-- a.go --\npackage queue\n\nfunc QueueOf() {}\n",
		"-- a.go --\npackage cpu\n\nconst CPUMax = 1\n",
	}},
	{"doc comments", eachGo(undocumented), []string{
		"-- a.go --\npackage a\n\nfunc Said() {}\n",
		"-- a.go --\npackage a\n\n// It is.\ntype Said int\n",
		"-- a.go --\npackage a\n\n// T is.\ntype T int\n\nfunc (t *T) Said() {}\n",
		"-- a.go --\npackage a\n\nvar Said = 1\n",
		"-- a.go --\npackage a\n\nconst (\n\tunsaid = 1\n\tSaid   = 2\n)\n",
	}},
	{"nothing put off", each(putOff), []string{
		"-- a.go --\npackage a\n\n// TO" + "DO: more.\n", "-- a.sh --\n# FIX" + "ME\n", "-- Makefile --\n# XX" + "X\n",
		"-- a.go --\npackage a\n\nconst said = \"not yet implem" + "ented\"\n",
	}},
	{"no machine's paths", each(machinePaths), []string{
		"-- a.md --\nSee /ho" + "me/me/a.\n", "-- a.go --\npackage a\n\nconst dir = \"/wo" + "rk/main\"\n", "-- a.sh --\ncat /t" + "mp/mine/x\n",
	}},
}

// cleanSample must pass every rule; it comes close to breaking each.
var cleanSample = `
-- a.go --
// Package queue is a clean sample, with /proc/self/work/ and mktemp -t XXXXXX.
package queue

// Queue may be named like its package.
type Queue struct{}

// A Queued thing is no stutter.
type Queued int

// Limits of a queue.
const (
	Least = 1
	Most  = 2
)

func (Queued) String() string { return "" }

type hidden int

func (hidden) Shown() {}

func full() {
` + strings.Repeat("\t//\n", functionLines-2) + `}
-- a_test.go --
package queue

func Helper() {}

` + strings.Repeat("//\n", testFileLines-4) + `-- a.md --
A stub server is a fake, and https://example.org/work/a no path.
`

func TestTidy(t *testing.T) {
	unused := maps.Clone(exceptions)
	folders := byFolder(tree(t))
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		for _, r := range rules {
			for _, c := range r.check(folders[dir]) {
				if _, ok := exceptions[r.name+": "+c.place]; ok {
					delete(unused, r.name+": "+c.place)
					continue
				}
				t.Errorf("%s: %s (%s)", c.place, c.text, r.name)
			}
		}
	}
	for excuse, why := range unused {
		t.Errorf("the exception %q (%s) is no longer needed: strike it", excuse, why)
	}
}

func TestTidyRefuses(t *testing.T) {
	for _, r := range rules {
		for i, bad := range r.bad {
			if got := r.check(archive(t, bad)); len(got) != 1 {
				t.Errorf("%s, bad sample %d: got %q, want one complaint", r.name, i, got)
			}
		}
		if got := r.check(archive(t, cleanSample)); len(got) != 0 {
			t.Errorf("%s, clean sample: %q", r.name, got)
		}
	}
}

// each makes a rule on files one on folders.
func each(check func(source) []complaint) func([]source) []complaint {
	return func(folder []source) (all []complaint) {
		for _, s := range folder {
			all = append(all, check(s)...)
		}
		return all
	}
}

// eachGo is each for Go files alone.
func eachGo(check func(source) []complaint) func([]source) []complaint {
	return each(func(s source) []complaint {
		if s.file == nil {
			return nil
		}
		return check(s)
	})
}

func unformatted(s source) []complaint {
	if want, err := format.Source([]byte(s.text)); err == nil && string(want) == s.text {
		return nil
	}
	return []complaint{{s.path, "run gofmt -w"}}
}

func longFunctions(s source) (all []complaint) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		name := "func literal"
		switch f := n.(type) {
		case *ast.FuncDecl:
			name = f.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		if lines := s.lines(n); lines > functionLines {
			all = append(all, complaint{s.path + ":" + name, fmt.Sprintf("%d lines, over %d", lines, functionLines)})
		}
		return false // a literal within counts to what surrounds it
	})
	return all
}

func longFile(s source) []complaint {
	limit := fileLines
	if s.isTest() {
		limit = testFileLines
	}
	lines := strings.Count(s.text, "\n")
	if kind := path.Ext(s.path); kind != ".go" && kind != ".s" && kind != ".sh" || lines <= limit {
		return nil
	}
	return []complaint{{s.path, fmt.Sprintf("%d lines, over %d", lines, limit)}}
}

func packageComment(folder []source) []complaint {
	var said []string
	var file *source
	for _, s := range folder {
		if s.file == nil || s.isTest() {
			continue
		}
		file = &s
		if s.file.Doc != nil {
			said = append(said, s.file.Doc.Text())
		}
	}
	if file == nil {
		return nil
	}
	opening := "Package " + file.file.Name.Name + " "
	if file.file.Name.Name == "main" {
		opening = "Command "
	}
	if len(said) == 1 && strings.HasPrefix(said[0], opening) {
		return nil
	}
	return []complaint{{file.dir(), fmt.Sprintf("%d package comments, want one that opens with %q", len(said), opening)}}
}

var nouns = []string{"util", "utils", "common", "helper", "helpers", "types", "base", "misc", "internal", "shared", "lib"}

func nounless(s source) []complaint {
	name := strings.TrimSuffix(s.file.Name.Name, "_test")
	for _, part := range append(strings.Split(s.dir(), "/"), name) {
		if slices.Contains(nouns, part) {
			return []complaint{{s.path, part + " says nothing: name the package for the one thing it holds"}}
		}
	}
	return nil
}

func initFunctions(s source) (all []complaint) {
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			all = append(all, complaint{s.path, "init runs behind the reader's back: call it, or use a literal"})
		}
	}
	return all
}

// declared is one exported name at the top level, or an exported method of an
// exported type, with its comment.
type declared struct {
	name string
	of   string // the receiver's type, for a method
	doc  *ast.CommentGroup
	kind token.Token // TYPE, FUNC, VAR, CONST
}

// in is the name as callers of package pkg write it.
func (d declared) in(pkg string) string {
	if d.of != "" {
		pkg += "." + d.of
	}
	return pkg + "." + d.name
}

// exported lists them for a file that users of the package see.
func exported(s source) (all []declared) {
	if s.isTest() || s.file.Name.Name == "main" {
		return nil
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if of := receiver(d); of == "" || ast.IsExported(of) {
				all = append(all, declared{d.Name.Name, of, d.Doc, token.FUNC})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				all = append(all, specified(d, spec)...)
			}
		}
	}
	return slices.DeleteFunc(all, func(d declared) bool { return !ast.IsExported(d.name) })
}

// receiver is the name of the type that method d belongs to; "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	for t := d.Recv.List[0].Type; ; {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func specified(d *ast.GenDecl, spec ast.Spec) (all []declared) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		doc := spec.Doc
		if !d.Lparen.IsValid() {
			doc = d.Doc
		}
		return []declared{{spec.Name.Name, "", doc, token.TYPE}}
	case *ast.ValueSpec: // the comment of a group speaks for its members
		doc := cmp.Or(spec.Doc, spec.Comment, d.Doc)
		for _, name := range spec.Names {
			all = append(all, declared{name.Name, "", doc, d.Tok})
		}
	}
	return all
}

func stutters(s source) (all []complaint) {
	name := s.file.Name.Name
	for _, d := range exported(s) {
		if d.of != "" || len(d.name) <= len(name) || !strings.EqualFold(d.name[:len(name)], name) {
			continue
		}
		if rest := rune(d.name[len(name)]); unicode.IsUpper(rest) {
			all = append(all, complaint{s.path + ":" + d.name, "stutters: callers write " + name + "." + d.name})
		}
	}
	return all
}

// spokenFor are methods whose interface says what they do.
var spokenFor = []string{"String", "GoString", "Format", "Error", "Unwrap", "Is", "Len", "Less", "Swap", "Write", "Read", "Close",
	"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "UnmarshalYAML", "ServeHTTP"}

func undocumented(s source) (all []complaint) {
	for _, d := range exported(s) {
		if d.doc == nil && !(d.of != "" && slices.Contains(spokenFor, d.name)) {
			all = append(all, complaint{s.path + ":" + d.name, "exported, without a comment"})
		}
		named := d.kind != token.VAR && d.kind != token.CONST
		if d.doc != nil && named && !opensWith(d.doc.Text(), d.name) {
			all = append(all, complaint{s.path + ":" + d.name, "its comment does not open with its name"})
		}
	}
	return all
}

func opensWith(doc, name string) bool {
	words := strings.Fields(doc)
	if len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) {
		words = words[1:]
	}
	return len(words) > 0 && strings.TrimRight(words[0], ",.:;'s") == strings.TrimRight(name, "s")
}

// The samples above spell these in two halves, lest they find themselves.
var (
	unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|not (yet )?implem` + `ented`)
	machines   = regexp.MustCompile(`(^|[^\w./-])/(wo` + `rk|ho` + `me|ro` + `ot|Us` + `ers)/|/t` + `mp/[a-z]+/`)
)

func putOff(s source) []complaint { return matched(s, unfinished, "says that it is unfinished") }

func machinePaths(s source) []complaint { return matched(s, machines, "a path of one machine") }

func matched(s source, pattern *regexp.Regexp, what string) (all []complaint) {
	number := 0
	for line := range strings.Lines(s.text) {
		number++
		if found := pattern.FindString(line); found != "" {
			all = append(all, complaint{fmt.Sprintf("%s:%d", s.path, number), fmt.Sprintf("%q: %s", found, what)})
		}
	}
	return all
}
