package probes

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
)

// readUsage reads what the kernel keeps in files of the calling thread.
func readUsage() (u usage) {
	dir := "/proc/self/task/" + strconv.Itoa(cpu.ThreadID())
	if text, err := os.ReadFile(dir + "/schedstat"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			if v, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				u.waitedNs = &v
			}
		}
	}
	if text, err := os.ReadFile(dir + "/sched"); err == nil {
		_, after, found := strings.Cut(string(text), "nr_migrations")
		_, after, _ = strings.Cut(after, ":")
		number, _, _ := strings.Cut(strings.TrimSpace(after), "\n")
		if v, err := strconv.ParseInt(number, 10, 64); found && err == nil {
			u.migrations = &v
		}
	}
	return u
}

// WatchContinues notes when this process is continued after a stop.
func WatchContinues() (continued func() []cpu.Ticks, stop func()) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCONT)
	var mu sync.Mutex
	var at []cpu.Ticks
	var done sync.WaitGroup
	done.Go(func() {
		for range signals {
			mu.Lock()
			at = append(at, cpu.Now())
			mu.Unlock()
		}
	})
	continued = func() []cpu.Ticks {
		mu.Lock()
		defer mu.Unlock()
		return append([]cpu.Ticks(nil), at...)
	}
	return continued, func() {
		signal.Stop(signals)
		close(signals)
		done.Wait()
	}
}
