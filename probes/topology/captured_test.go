package topology

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadArchives cuts an archive short everywhere and damages it: an error or
// a machine, in one line, and no panic.
func TestBadArchives(t *testing.T) {
	whole, err := os.ReadFile("testdata/guests/qemu-cpuless-hmat/tree.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.tar.gz")
	try := func(content []byte) error {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenCaptured(file)
		if err != nil && (strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "x.tar.gz")) {
			t.Errorf("want one line that names the file: %v", err)
		}
		return err
	}
	for n := 0; n < len(whole); n += 397 {
		if try(whole[:n]) == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
		damaged := append([]byte{}, whole...)
		damaged[n] ^= 0x55
		try(damaged)
	}
	if try([]byte("not an archive")) == nil {
		t.Error("text: no error")
	}
	if _, err := OpenCaptured(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file: no error")
	}
}

func TestLinksThatLeadNowhere(t *testing.T) {
	root := newCaptured()
	root.put("a/file", "x")
	root.add("a/loop", nil, "loop")
	root.add("a/out", nil, "../../../etc/passwd")
	root.add("a/good", nil, "../a/file")
	for name, there := range map[string]bool{"a/loop": false, "a/out": false, "a/good": true, "a/loop/x": false, "../a": false, "a/none": false} {
		f, err := root.Open(name)
		if (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			f.Close()
		}
	}
}
