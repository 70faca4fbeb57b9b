package store

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(writerMode); mode != "" {
		fmt.Fprintln(os.Stderr, write(os.Getenv(writerDir), mode))
		os.Exit(1)
	}
	debug.SetGCPercent(800) // simulated disks are short-lived: collecting them at 4 MB is half the time
	os.Exit(m.Run())
}
