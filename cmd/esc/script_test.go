package main

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts call esc: the test binary runs itself under that name,
// and as servers with a flaw for tests of the tests.
func TestMain(m *testing.M) {
	commands := map[string]func(){"esc": main}
	maps.Copy(commands, flawed)
	testscript.Main(m, commands)
}

// TestScripts runs testdata/script: how the command behaves, one file a subject.
// They double as documentation.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Defer(func() { listener.Close() })
			e.Setenv("TAKEN", listener.Addr().String()) // a port in use
			e.Setenv("UID", userID())
			return nil
		},
	})
}

// userID is what scripts about permissions look at: root may write anywhere.
func userID() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return "user"
}
