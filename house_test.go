package eventstreamcore_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// folders are all that may lie at the top, beside dot-folders; bin is built and
// ignored by git.
var folders = []string{"engine", "workloads", "probes", "reports", "cmd", "scripts", "results", "docs", "bin"}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !allowedTop(e.Name()) {
			t.Errorf("%s/: no such folder belongs at the top; those that do: %s", e.Name(), strings.Join(folders, " "))
		}
	}
}

func allowedTop(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains(folders, name)
}

func TestTopLevelRefuses(t *testing.T) {
	for name, want := range map[string]bool{"engine": true, ".ci": true, "pkg": false, "internal": false, "testdata": false} {
		if got := allowedTop(name); got != want {
			t.Errorf("%s: allowed is %v, want %v", name, got, want)
		}
	}
}
