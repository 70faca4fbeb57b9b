package probes

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// escLimit bounds one command in an emulated guest.
const escLimit = 20 * time.Second

// esc runs the real command in the guest and returns what it says, and whether
// that holds every one of the words.
func esc(t *testing.T, words string, args ...string) (out string, held bool) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "/esc", args...).CombinedOutput()
	held = err == nil
	for _, w := range strings.Split(words, "|") {
		held = held && bytes.Contains(text, []byte(w))
	}
	return string(text), held
}

// TestNUMACommands runs on four CPUs and several nodes what no small machine
// shows: a plan of several threads, its prediction beside its measurement, and
// an engine whose pages are on the node it was told.
func TestNUMACommands(t *testing.T) {
	m := guest(t, everyGuest...)
	if out, ok := esc(t, "nodes|CPUs 0-1", "probe", "topology"); !ok {
		t.Errorf("topology:\n%s", out)
	}
	out, ok := esc(t, "housekeeping on CPUs|predicted hand-offs|by relation, not measured", "plan", "--explain", "--unmeasured")
	if t.Log(out); !ok {
		t.Error("the plan is not explained")
	}
	for tries := 3; os.Getenv("ESC_NUMA_VM") == "two" && tries > 0; tries-- { // a CPU of an emulated machine may be away for seconds
		if out, ok = esc(t, "round CPUs|: predicted |, measured ", "plan", "--quiet"); ok {
			break
		}
	}
	if t.Log(out); !ok {
		t.Error("prediction and measurement do not stand side by side")
	}
	for _, n := range m.Nodes {
		serveOn(t, n.ID, m.MemoryNodes().Has(n.ID))
	}
}

// serveOn runs the engine with its events on a node, and reads what it found.
func serveOn(t *testing.T, node int, has bool) {
	t.Helper()
	c := exec.Command("/esc", "serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--plan", "split", "--cpus", "2,3", "--node", strconv.Itoa(node), "--segment", "1MiB")
	c.Env = []string{"ESC_POOL_SLOTS_256B=512", "ESC_POOL_SLOTS_2KIB=64", "ESC_POOL_SLOTS_64KIB=4", "ESC_POOL_SLOTS_1MIB=1", "ESC_DEDUP_MEMORY=1MiB"}
	messages, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(escLimit, func() { _ = c.Process.Kill() })
	defer overdue.Stop()
	var said strings.Builder
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		if said.WriteString(lines.Text() + "\n"); strings.Contains(lines.Text(), `what="pool `) {
			_ = c.Process.Signal(syscall.SIGTERM)
		}
	}
	err = c.Wait()
	want := fmt.Sprintf("front (thread |back (thread |may run on 2, ran on 2|may run on 3, ran on 3|other thread(s): may run on 0-1|pages on node %d\"", node)
	if !has {
		want = fmt.Sprintf("NUMA node %d", node)
	}
	if (err == nil) != has {
		t.Errorf("node %d, with memory %v: %v", node, has, err)
	}
	for _, w := range strings.Split(want, "|") {
		if !strings.Contains(said.String(), w) {
			t.Errorf("an engine on node %d does not say %q:\n%s", node, w, said.String())
		}
	}
}
