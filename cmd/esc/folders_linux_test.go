package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLeftoversAreRemoved: what a killed process left, and nothing that another one
// holds, that is new, or that is of another kind.
func TestLeftoversAreRemoved(t *testing.T) {
	parent, old := t.TempDir(), time.Now().Add(-2*leftoverAge)
	stays := map[string]bool{"own-left": false, "own-held": true, "own-new": true, "other": true}
	for name := range stays {
		dir := filepath.Join(parent, name)
		if err := os.MkdirAll(filepath.Join(dir, "log"), 0o755); err != nil {
			t.Fatal(err)
		}
		if name != "own-new" {
			if err := os.Chtimes(dir, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	let, held := hold(filepath.Join(parent, "own-held"))
	if !held {
		t.Fatal("a folder that nobody holds is not held")
	}
	defer let()
	dir, drop, err := ownFolder(parent, "own-")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range stays {
		if _, err := os.Stat(filepath.Join(parent, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, again := hold(dir); again {
		t.Error("the folder is not held by its process")
	}
	if err := drop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("dropped, it is still there: %v", err)
	}
}
