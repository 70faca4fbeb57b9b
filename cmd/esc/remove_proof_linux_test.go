package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProofRemovedNode kills one of three under load and removes it: two are left,
// who answer everything and have all that was answered, and the third is told so
// when it comes back.
func TestProofRemovedNode(t *testing.T) {
	clusterProof(t)
	f := newFleet(t, 1000)
	at := f.leader()
	gone := f.layout.Nodes[at].Name
	stay := slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == at })
	if said, code, _ := execute(newClusterCommand(), "remove", "n9", "--dir", f.dir); code != exitUnmeasured {
		t.Errorf("a stranger was removed: code %d, %s", code, said)
	}
	f.kill(at)
	var said string
	f.until("it owns nothing, and is removed", recoveryMax, func() (done bool) {
		var code int
		said, code, _ = execute(newClusterCommand(), "remove", gone, "--dir", f.dir)
		return code == 0
	})
	left := []string{f.layout.Nodes[stay[0]].Name, f.layout.Nodes[stay[1]].Name}
	if want := fmt.Sprintf("%s is removed; left: %s", gone, strings.Join(left, ", ")); !strings.Contains(said, want) {
		t.Errorf("it says %q, want %q", said, want)
	}
	f.flows()
	f.start(at)
	f.until("it is told so", recoveryMax, func() bool {
		b, err := os.ReadFile(filepath.Join(f.dir, gone, "messages"))
		return err == nil && strings.Contains(string(b), "was removed from the cluster")
	})
	f.kill(at)
	f.auditOn(stay...)
	v, err := viewCluster(context.Background(), f.client)
	if err != nil || !slices.Equal(v.Table.Nodes, left) || !slices.Equal(v.Table.Removed, []string{gone}) || len(v.Nodes) != 2 {
		t.Errorf("status: %+v, %v", v, err)
	}
	if said, code, err := execute(newClusterCommand(), "status", "--dir", f.dir); code != 0 || strings.Contains(said, gone) {
		t.Errorf("status: code %d, %v: %s", code, err, said)
	}
}
