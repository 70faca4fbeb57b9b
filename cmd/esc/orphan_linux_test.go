package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asParent makes the test's own binary start a process that is to end with it, say
// which, and wait.
const asParent = "TEST_AS_PARENT"

func TestAsParent(t *testing.T) {
	if os.Getenv(asParent) == "" {
		t.Skip("only as a process of another test")
	}
	runtime.LockOSThread()
	c := exec.Command("sleep", "600")
	endWithParent(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("child", c.Process.Pid)
	c.Wait()
}

// TestKilledParentLeavesNoChild: who was killed could tell its children nothing, and
// they end.
func TestKilledParentLeavesNoChild(t *testing.T) {
	p := exec.Command(os.Args[0], "-test.run=^TestAsParent$")
	p.Env = append(os.Environ(), asParent+"=1")
	out, err := p.StdoutPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	child := 0
	for lines := bufio.NewScanner(out); child == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "child %d", &child)
	}
	p.Process.Kill()
	p.Wait()
	if child == 0 {
		t.Fatal("no child was started")
	}
	defer syscall.Kill(child, syscall.SIGKILL)
	for end := time.Now().Add(patience); runs(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it runs still")
		}
	}
}

// runs reports whether there is such a process, and it is not one that has ended
// and that nobody has asked about.
func runs(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(b), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}
