package cpu

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maskWords bounds the CPUs known: 16384, twice the kernel's largest NR_CPUS.
// (unix.CPUSet stops at 1024.)
const maskWords = 16384 / 64

type mask [maskWords]uint64

func maskOf(cpus []int) (*mask, error) {
	m := new(mask)
	for _, c := range cpus {
		if c < 0 || c >= maskWords*64 {
			return nil, fmt.Errorf("CPU %d is out of range 0-%d", c, maskWords*64-1)
		}
		m[c/64] |= 1 << (c % 64)
	}
	return m, nil
}

func (m *mask) list() (cpus []int) {
	for i, w := range m {
		for b := range 64 {
			if w&(1<<b) != 0 {
				cpus = append(cpus, i*64+b)
			}
		}
	}
	return cpus
}

func setAffinity(tid int, cpus []int) error {
	m, err := maskOf(cpus)
	if err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(*m), uintptr(unsafe.Pointer(m)))
	if errno != 0 {
		return fmt.Errorf("sched_setaffinity to CPUs %v (offline, or outside this process's cpuset?): %w", cpus, errno)
	}
	return nil
}

func affinity(tid int) ([]int, error) {
	m := new(mask)
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, uintptr(tid), unsafe.Sizeof(*m), uintptr(unsafe.Pointer(m)))
	if errno != 0 {
		return nil, fmt.Errorf("sched_getaffinity: %w", errno)
	}
	return m.list(), nil
}

func pin(cpus []int) error {
	runtime.LockOSThread() // before the mask: else the goroutine may move off the thread just pinned
	if err := setAffinity(0, cpus); err != nil {
		return err
	}
	got, err := affinity(0)
	if err != nil {
		return err
	}
	asked := slices.Compact(slices.Sorted(slices.Values(cpus)))
	if !slices.Equal(asked, got) {
		return &MismatchError{Asked: asked, Got: got}
	}
	return nil
}

func allowed() ([]int, error) { return affinity(0) }

func current() (cpu, node int, err error) {
	var c, n uint32
	_, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&c)), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, 0, fmt.Errorf("getcpu: %w", errno)
	}
	return int(c), int(n), nil
}

func threadID() int { return unix.Gettid() }

func tids() (ids []int, err error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func confine(keep map[int]bool, cpus []int) error {
	ids, err := tids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if keep[id] {
			continue
		}
		if err := setAffinity(id, cpus); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

func threads() (list []Thread, err error) {
	ids, err := tids()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		cpus, err := affinity(id)
		if errors.Is(err, unix.ESRCH) {
			continue // ended while we read
		}
		if err != nil {
			return nil, err
		}
		name, _ := os.ReadFile("/proc/self/task/" + strconv.Itoa(id) + "/comm")
		list = append(list, Thread{ID: id, Name: strings.TrimSpace(string(name)), Allowed: cpus})
	}
	return list, nil
}
