package eventstreamcore_test

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// name is one of our names in the table of names.
type name struct {
	ident   string // as callers write it: package.Name or package.Type.Method
	folder  string
	planned bool
}

// parseNames reads the table: a row may hold several names of one folder.
func parseNames(page string) (names []name, err error) {
	for _, cells := range rows(section(page, "## Names")) {
		if len(cells) != 3 {
			return nil, fmt.Errorf("row %q of the table of names has %d cells, want 3", cells, len(cells))
		}
		folder := quoted.FindStringSubmatch(cells[2])
		idents := quoted.FindAllStringSubmatch(cells[1], -1)
		if folder == nil || len(idents) == 0 {
			return nil, fmt.Errorf("row %q of the table of names lacks a quoted name or folder", cells)
		}
		for _, m := range idents {
			names = append(names, name{m[1], folder[1], strings.HasPrefix(cells[2], "planned")})
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf(`no rows under "## Names"`)
	}
	return names, nil
}

// public is the set of what the files export, each as "folder package.Name".
func public(files []source) map[string]bool {
	set := map[string]bool{}
	for _, f := range files {
		if f.file == nil {
			continue
		}
		for _, d := range exported(f) {
			set[f.dir()+" "+d.in(f.file.Name.Name)] = true
		}
	}
	return set
}

// misnamed lists what the table says and the tree does not bear out.
func misnamed(names []name, set map[string]bool) (complaints []string) {
	for _, n := range names {
		switch {
		case !strings.HasPrefix(n.ident, path.Base(n.folder)+"."):
			complaints = append(complaints, n.ident+": not a name of "+n.folder)
		case set[n.folder+" "+n.ident] && n.planned:
			complaints = append(complaints, n.ident+": is there, so strike its `planned`")
		case !set[n.folder+" "+n.ident] && !n.planned:
			complaints = append(complaints, n.ident+": "+n.folder+" exports no such name")
		}
	}
	return complaints
}

func TestNames(t *testing.T) {
	names, err := parseNames(architecture(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range misnamed(names, public(tree(t))) {
		t.Error(complaint)
	}
}

// parts are the original's, each with what of it is to be had: who knows one finds
// a row for it in the table of names.
var parts = strings.Fields(`
	Event EventHeader EventPriority EventFactory HPEvent
	SpscRingBuffer MpscQueue LockFreeDeduplicator
	EventPool NUMAEventPool IngestEventPool NUMABinding
	TopicTable topics.conf
	Dispatcher
	EventBusMulti DeadLetterQueue
	RealtimeProcessor TransactionalProcessor BatchProcessor ProcessManager AlertHandler ProcessedEventStream
	ControlPlane PipelineState ControlThresholds ControlDecision AdminLoop
	TcpServer UdpServer FILE
	MetricRegistry LatencyHistogram PipelineProfiler Admin
	ConfigLoader config.yaml
	Raft RPC ClusterCommunicator Coordinator`)

// unnamed lists the parts that have no row in the table, or one that is only planned.
func unnamed(parts []string, page string) (complaints []string) {
	has := map[string]bool{}
	for _, cells := range rows(section(page, "## Names")) {
		for _, word := range strings.FieldsFunc(cells[0], func(c rune) bool { return strings.ContainsRune(" ,()", c) }) {
			has[word] = !strings.HasPrefix(cells[2], "planned")
		}
	}
	for _, p := range parts {
		if is, named := has[p]; !named {
			complaints = append(complaints, p+": the table of names has no row for this part of the original")
		} else if !is {
			complaints = append(complaints, p+": only planned")
		}
	}
	return complaints
}

// TestEveryPartIsThere: with TestNames, which looks the types up, it fails where a
// part has none.
func TestEveryPartIsThere(t *testing.T) {
	for _, complaint := range unnamed(parts, architecture(t)) {
		t.Error(complaint)
	}
	const page = "\n## Names\n\n| a | b | c |\n|---|---|---|\n| Ring, Queue (Vyukov) | `q.A` | `q` |\n| Raft | `c.Node` | planned: `c` |\n"
	if got := fmt.Sprint(unnamed([]string{"Ring", "Queue", "Raft", "Pool"}, page)); strings.Count(got, ":") != 2 || !strings.Contains(got, "Raft: only planned") || !strings.Contains(got, "Pool: the table") {
		t.Errorf("of a row that is planned and one that is not there: %s", got)
	}
}

func TestNamesRefuses(t *testing.T) {
	const code = "-- engine/queue/a.go --\npackage queue\n\ntype SPSC struct{}\n\nfunc (q *SPSC) Push() {}\n\nfunc hidden() {}\n"
	set := public(archive(t, code))
	for _, test := range []struct{ row, want string }{
		{"| Ring | `queue.SPSC` | `engine/queue` |", ""},
		{"| push | `queue.SPSC.Push` | `engine/queue` |", ""},
		{"| Ring | `queue.MPSC` | planned: `engine/queue` |", ""},
		{"| Ring | `queue.MPSC` | `engine/queue` |", "exports no such name"},
		{"| Ring | `queue.hidden` | `engine/queue` |", "exports no such name"},
		{"| Ring | `queue.SPSC` | planned: `engine/queue` |", "strike"},
		{"| Ring | `queue.SPSC` | `engine/memory` |", "not a name of"},
		{"| Ring | queue.SPSC | `engine/queue` |", "lacks a quoted name"},
	} {
		names, err := parseNames("\n## Names\n\n| a | b | c |\n|---|---|---|\n" + test.row + "\n")
		got := fmt.Sprint(err, misnamed(names, set))
		if test.want == "" && got != "<nil> []" || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %q", test.row, got, test.want)
		}
	}
}
