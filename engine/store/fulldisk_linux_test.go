package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tmpfs mounts one of the given size, or, without the right to, runs the test
// again in a namespace where it has.
func tmpfs(t *testing.T, options string) string {
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, options)
	if err == nil {
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		return dir
	}
	if os.Getenv("ESC_STORE_NAMESPACE") != "" {
		t.Skipf("no tmpfs can be mounted, not even in a namespace: %v", err)
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), "ESC_STORE_NAMESPACE=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	if _, failed := err.(*exec.ExitError); failed {
		t.Fatalf("in a namespace: %v\n%s", err, out)
	} else if err != nil {
		t.Skipf("neither a tmpfs nor a namespace: %v", err)
	}
	t.SkipNow() // it passed, or said why it was skipped, in the namespace
	return ""
}

func TestFullTmpfs(t *testing.T) {
	t.Parallel()
	t.Logf("resumed after %v at the latest", fullTmpfs(t, 50))
}

// TestProofFullTmpfs: the log resumes within a second of room returning.
func TestProofFullTmpfs(t *testing.T) {
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("a timed check: make proofs runs it")
	}
	slowest := time.Minute
	for range 3 {
		slowest = min(slowest, fullTmpfs(t, 10))
	}
	if slowest > time.Second {
		t.Errorf("in the best of three runs it resumed only after %v", slowest)
	}
}

// fullTmpfs fills a real file system and makes room again, so many times: nothing
// that was appended is lost. It is the longest that the log took to resume.
func fullTmpfs(t *testing.T, cycles int) (slowest time.Duration) {
	const room = 2 * SegmentBytesMin
	dir := tmpfs(t, "size=112m")
	cfg := killConfig(filepath.Join(dir, "log"), Group)
	cfg.RetainBytes = 0 // else it makes room for itself
	l, _, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	left, err := fill(ballast)
	if err != nil {
		t.Fatal(err)
	}
	w := filler{l: l}
	step := func() {
		t.Helper()
		if err := w.try(); err != nil {
			t.Fatal(err)
		}
	}
	for cycle := range cycles {
		for tries := 0; !l.Full(); tries++ {
			if step(); tries > 2000 {
				t.Fatalf("cycle %d: never full", cycle)
			}
		}
		for range 40 { // more than memory takes
			step()
		}
		left -= room
		if err := os.Truncate(ballast, left); err != nil {
			t.Fatal(err)
		}
		freed := time.Now()
		for l.Full() {
			if step(); time.Since(freed) > time.Minute {
				t.Fatalf("cycle %d: still full after a minute of room", cycle)
			}
			time.Sleep(time.Millisecond)
		}
		slowest = max(slowest, time.Since(freed))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	last := l.next // the seal too
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := survived(cfg.Dir, answer{Written: last}); err != nil {
		t.Error(err)
	}
	t.Logf("%d cycles, %d events", cycles, last)
	return slowest
}

// fill takes all the room there is and says how much that was.
func fill(path string) (bytes int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for b := make([]byte, 1<<20); len(b) >= 4096; {
		n, err := f.Write(b)
		bytes += int64(n)
		if err != nil {
			b = b[:len(b)/2]
		}
	}
	return bytes, nil
}
