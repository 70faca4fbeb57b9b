//go:build !linux

package admin

import "eventstreamcore/engine/duty"

// readUsage knows nothing here, but keeps a task for each thread.
func readUsage(threads []*duty.Thread) usage { return usage{tasks: make([]task, len(threads))} }
