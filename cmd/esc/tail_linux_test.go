package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

var tailLine = regexp.MustCompile(`^\d{4}-\S+Z HIGH \d+ load/a ".*"\n <nil>$`)

// TestTailFollowsAServer: with the right token it shows what is sent, and ends
// with the server; without, it is refused.
func TestTailFollowsAServer(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := start(t, "serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--admin-token-file", token)
	port := server.says(t, `msg="admin port" addr=(\S+)`)
	frames := server.says(t, `msg=listening addr=(\S+)`)

	refused := start(t, "tail", "--admin", port)
	refused.says(t, `(401 Unauthorized)`)
	var coded *exec.ExitError
	if err := refused.Wait(); !errors.As(err, &coded) || coded.ExitCode() != exitUnmeasured {
		t.Errorf("without the token: %v", err)
	}

	out := make(chan string, 1)
	follower := exec.Command(os.Args[0], "-test.run=^TestAsEsc$")
	follower.Env = append(os.Environ(), asEsc+"=tail\n--admin\n"+port+"\n--admin-token-file\n"+token+"\n--topic\nload/#\n--count\n1")
	go func() {
		text, err := follower.Output()
		out <- fmt.Sprintf("%s %v", text, err)
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		load := start(t, "load", "--addr", frames, "--count", "10", "--rate", "1000", "--topic", "load/a", "--priority", "HIGH", "--quiet")
		if err := load.Wait(); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-out:
			if !tailLine.MatchString(text) {
				t.Errorf("tail printed %q", text)
			}
			server.Process.Signal(syscall.SIGTERM)
			if err := server.Wait(); err != nil {
				t.Error(err)
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was followed")
		}
	}
}
