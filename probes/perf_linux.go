package probes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cacheEvent is the kernel's number of misses of reads in one cache.
func cacheEvent(cache uint64) uint64 {
	return cache | unix.PERF_COUNT_HW_CACHE_OP_READ<<8 | unix.PERF_COUNT_HW_CACHE_RESULT_MISS<<16
}

// perfEvents is what is asked for: the kernel's own first, which every machine
// has.
var perfEvents = []struct {
	name   string
	kind   uint32
	config uint64
}{
	{"task-clock-ns", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK},
	{"context-switches", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CONTEXT_SWITCHES},
	{"migrations", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CPU_MIGRATIONS},
	{"page-faults", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_PAGE_FAULTS},
	{"cycles", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CPU_CYCLES},
	{"instructions", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS},
	{"branch-misses", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_BRANCH_MISSES},
	{"cache-misses", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CACHE_MISSES},
	{"l1d-load-misses", unix.PERF_TYPE_HW_CACHE, cacheEvent(unix.PERF_COUNT_HW_CACHE_L1D)},
	{"llc-load-misses", unix.PERF_TYPE_HW_CACHE, cacheEvent(unix.PERF_COUNT_HW_CACHE_LL)},
	{"dtlb-load-misses", unix.PERF_TYPE_HW_CACHE, cacheEvent(unix.PERF_COUNT_HW_CACHE_DTLB)},
}

func openCounters(thread int) (*Counters, error) {
	c := &Counters{PMU: findPMU()}
	if c.PMU == "" {
		c.Missing = append(c.Missing, "no PMU (none below /sys/bus/event_source/devices counts cycles): cycles, instructions and misses are not counted; a guest has one only if its host passes it on")
	}
	for _, e := range perfEvents {
		if e.kind != unix.PERF_TYPE_SOFTWARE && c.PMU == "" {
			continue
		}
		fd, err := openEventOf(e.kind, e.config, thread)
		switch {
		case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
			level, _ := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
			return nil, errors.Join(paranoidError(trimmedOr(string(level), "unreadable")), c.Close())
		case errors.Is(err, unix.ENOSYS):
			return nil, errors.Join(errors.New("performance counters: this kernel was built without perf events"), c.Close())
		case err != nil:
			c.Missing = append(c.Missing, fmt.Sprintf("%s: not counted: %v", e.name, err))
		default:
			c.events = append(c.events, openEvent{e.name, fd})
		}
	}
	return c, nil
}

func trimmedOr(text, otherwise string) string {
	if text = strings.TrimSpace(text); text == "" {
		return otherwise
	}
	return text
}

// findPMU names what counts cycles: cpu on x86, cpu_core on hybrid machines,
// armv8_pmuv3_0 and the like on Arm.
func findPMU() string {
	for _, pattern := range []string{"cpu", "cpu_core", "armv*", "apple_*", "*_pmu*"} {
		found, _ := filepath.Glob("/sys/bus/event_source/devices/" + pattern)
		if len(found) > 0 {
			return filepath.Base(found[0])
		}
	}
	return ""
}

// openEventOf opens one counter of a thread, 0 being the calling one, stopped.
// Where the kernel keeps its own part to itself it counts the user's alone.
func openEventOf(kind uint32, config uint64, thread int) (fd int, err error) {
	attr := unix.PerfEventAttr{Type: kind, Config: config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING, Bits: unix.PerfBitDisabled}
	fd, err = unix.PerfEventOpen(&attr, thread, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		attr.Bits |= unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv
		fd, err = unix.PerfEventOpen(&attr, thread, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	}
	return fd, err
}

func (c *Counters) control(requests ...uint) (err error) {
	for _, e := range c.events {
		for _, r := range requests {
			err = errors.Join(err, unix.IoctlSetInt(e.fd, r, 0))
		}
	}
	if err != nil {
		return fmt.Errorf("performance counters: %w", err)
	}
	return nil
}

func (c *Counters) start() error {
	return c.control(unix.PERF_EVENT_IOC_RESET, unix.PERF_EVENT_IOC_ENABLE)
}

func (c *Counters) stop() ([]Count, error) {
	if err := c.control(unix.PERF_EVENT_IOC_DISABLE); err != nil {
		return nil, err
	}
	counts := make([]Count, 0, len(c.events))
	for _, e := range c.events {
		var read [24]byte // value, time enabled, time running
		n, err := unix.Read(e.fd, read[:])
		if err == nil && n != len(read) {
			err = io.ErrUnexpectedEOF // a pinned event that lost its PMU reads as end of file
		}
		if err != nil {
			return counts, fmt.Errorf("reading the counter %s: %w", e.name, err)
		}
		value, enabled, running := binary.NativeEndian.Uint64(read[0:]), binary.NativeEndian.Uint64(read[8:]), binary.NativeEndian.Uint64(read[16:])
		counts = append(counts, scale(e.name, value, enabled, running))
	}
	return counts, nil
}

// scale makes up for the time in which other counters had their turn.
func scale(name string, value, enabled, running uint64) Count {
	if running == 0 || enabled == 0 {
		return Count{Name: name}
	}
	share := float64(running) / float64(enabled)
	return Count{Name: name, Value: float64(value) / share, Share: share}
}

func (c *Counters) closeAll() (err error) {
	for _, e := range c.events {
		err = errors.Join(err, unix.Close(e.fd))
	}
	c.events = nil
	return err
}

func counted(f func()) (counts []Count, missing []string, err error) {
	runtime.LockOSThread() // nests: a thread that was pinned stays so
	defer runtime.UnlockOSThread()
	c, err := openCounters(0)
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(); err != nil {
		return nil, c.Missing, errors.Join(err, c.Close())
	}
	f()
	counts, err = c.Stop()
	return counts, c.Missing, errors.Join(err, c.Close())
}
