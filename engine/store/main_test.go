package store

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // simulated disks are short-lived: collecting them at 4 MB is half the time
	os.Exit(m.Run())
}
