package probes

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
)

func kernelFloors(clock cpu.Clock, on int, peer *int, budget time.Duration) (floors []Floor, missing []string, err error) {
	share := budget / 7
	steps := []func() (Floor, error){
		func() (Floor, error) { return systemCall(clock, on, share) },
		func() (Floor, error) { return timeNow(clock, on, share) },
		func() (Floor, error) {
			return pageFault(clock, on, "page_fault", unix.MADV_NOHUGEPAGE, os.Getpagesize(), share)
		},
		func() (Floor, error) {
			return pageFault(clock, on, "huge_page_fault", unix.MADV_HUGEPAGE, hugeBytes, share)
		},
		func() (Floor, error) {
			return pagedAccess(clock, on, "access_small_pages", unix.MADV_NOHUGEPAGE, share)
		},
		func() (Floor, error) { return pagedAccess(clock, on, "access_huge_pages", unix.MADV_HUGEPAGE, share) },
		func() (Floor, error) {
			if peer == nil {
				return Floor{}, &refusedError{"futex_wake", oneCPU}
			}
			return futexWake(clock, on, *peer, share)
		},
	}
	return floorsOf(steps)
}

func systemCall(clock cpu.Clock, on int, budget time.Duration) (Floor, error) {
	var samples []float64
	err := pinned(on, func() {
		samples = amortise(clock, budget, func(n int) {
			for range n {
				unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
			}
		})
	})
	if err != nil {
		return Floor{}, err
	}
	return newFloor("system_call", "getppid, without telling the runtime's scheduler", samples)
}

const (
	hugeBytes  = 2 << 20
	pagedBytes = 64 << 20 // past the reach of any TLB with 4 KiB pages
)

// advised maps n bytes aligned to a huge page and asks for pages of one kind.
func advised(n, advice int) (bytes []byte, release func() error, err error) {
	all, err := unix.Mmap(-1, 0, n+hugeBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	release = func() error { return unix.Munmap(all) }
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(all))) % hugeBytes
	bytes = all[skip:][:n]
	if err := unix.Madvise(bytes, advice); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("madvise", err), release())
	}
	return bytes, release, nil
}

// pageFault times the first touch of pages: 16 of them a sample.
func pageFault(clock cpu.Clock, on int, name string, advice, size int, budget time.Duration) (f Floor, err error) {
	const touched = 16
	var samples []float64
	var inner error
	touch := func() (ns float64) {
		bytes, release, err := advised(touched*size, advice)
		if err != nil {
			inner = errors.Join(inner, err)
			return 0
		}
		began := cpu.Now()
		for i := 0; i < len(bytes); i += size {
			bytes[i] = 1
		}
		ns = float64(clock.Ns(cpu.End()-began)) / touched
		inner = errors.Join(inner, release())
		return ns
	}
	if advice == unix.MADV_HUGEPAGE && !givesHugePages() {
		return Floor{}, noHugePages(name)
	}
	if err := pinned(on, func() { samples = sampleUntil(clock, budget, touch) }); err != nil {
		return Floor{}, err
	}
	if inner != nil {
		return Floor{}, &refusedError{name, inner.Error()}
	}
	return newFloor(name, fmt.Sprintf("first touch of a page of %d KiB on CPU %d", size>>10, on), samples)
}

func noHugePages(name string) error {
	return &refusedError{name, "the kernel gave no huge pages: see /sys/kernel/mm/transparent_hugepage/enabled"}
}

// givesHugePages asks for some and looks whether they came.
func givesHugePages() bool {
	bytes, release, err := advised(4*hugeBytes, unix.MADV_HUGEPAGE)
	if err != nil {
		return false
	}
	defer release()
	before := hugeNow()
	clear(bytes)
	return hugeNow()-before >= 2*hugeBytes
}

// hugeNow is how many bytes of this process are in transparent huge pages.
func hugeNow() int64 {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	_, after, found := strings.Cut(string(text), "AnonHugePages:")
	fields := strings.Fields(after)
	if !found || len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}

// pagedAccess times random access over 64 MiB in pages of one kind.
func pagedAccess(clock cpu.Clock, on int, name string, advice int, budget time.Duration) (Floor, error) {
	if advice == unix.MADV_HUGEPAGE && !givesHugePages() {
		return Floor{}, noHugePages(name)
	}
	var samples []float64
	var inner error
	err := pinned(on, func() {
		bytes, release, e := advised(pagedBytes, advice)
		if e != nil {
			inner = &refusedError{name, e.Error()}
			return
		}
		defer func() { inner = errors.Join(inner, release()) }()
		clear(bytes)
		p := pages{bytes: bytes}
		links, at := p.links(), uint32(0)
		chain(links)
		samples = amortise(clock, budget, func(n int) { at = walk(links, at, n) })
	})
	if err = errors.Join(err, inner); err != nil {
		return Floor{}, err
	}
	return newFloor(name, fmt.Sprintf("dependent loads over %d MiB on CPU %d", pagedBytes>>20, on), samples)
}

// From linux/futex.h.
const (
	futexWait = 0 | 128 // private to the process
	futexWoke = 1 | 128
)

// futex returns how many were woken. An error is no news: EAGAIN means that the
// word has changed already, EINTR and ETIMEDOUT that the caller is to look again,
// which is what its loop does.
func futex(word *atomic.Uint32, op int, value uint32) (woken int) {
	limit := unix.Timespec{Sec: 1}
	n, _, _ := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op), uintptr(value), uintptr(unsafe.Pointer(&limit)), 0, 0)
	return int(n)
}

// sleeper is a thread that sleeps until it is woken and says when it ran.
type sleeper struct {
	word  atomic.Uint32 // the turn; over ends the game
	_     cpu.Pad
	awake atomic.Uint64 // ticks at which the turn was seen
	turn  atomic.Uint32 // that was seen last
	_     cpu.Pad
}

const (
	sleepOver = 1 << 31
	settleNs  = 60_000 // within which a thread that goes to sleep is asleep
)

// serve sleeps for each turn in order, until the game is over.
func (s *sleeper) serve() {
	for want := uint32(1); ; {
		switch w := s.word.Load(); {
		case w >= sleepOver:
			return
		case w >= want:
			s.awake.Store(uint64(cpu.Now()))
			s.turn.Store(w)
			want = w + 1
		default:
			futex(&s.word, futexWait, w)
		}
	}
}

// wake wakes the sleeper once and returns how long it took to run; slept is
// false when nobody was asleep, so that nothing was measured.
func (s *sleeper) wake(clock cpu.Clock, turn uint32) (ns float64, slept bool) {
	for began := cpu.Now(); clock.Ns(cpu.Now()-began) < settleNs; {
	}
	began := cpu.Now()
	s.word.Store(turn)
	slept = futex(&s.word, futexWoke, 1) == 1
	for limit := began + clock.Ticks(int64(answerLimit)); s.turn.Load() != turn; {
		if cpu.Now() > limit {
			return 0, false
		}
	}
	return float64(int64(s.awake.Load()-uint64(began))) / clock.Hz * 1e9, slept
}

// futexWake times one wake-up: from before the call that wakes, on CPU on, to
// the woken thread's running on CPU peer. The two counters' offset is within it.
func futexWake(clock cpu.Clock, on, peer int, budget time.Duration) (Floor, error) {
	s, samples := new(sleeper), []float64(nil)
	turn := uint32(0)
	err := together([]int{on, peer}, func(i int) {
		if i == 1 {
			s.serve()
			return
		}
		sampleUntil(clock, budget, func() float64 {
			turn++
			ns, slept := s.wake(clock, turn)
			if slept {
				samples = append(samples, ns)
			}
			return ns
		})
		s.word.Store(sleepOver)
		futex(&s.word, futexWoke, 1)
	})
	if err != nil {
		return Floor{}, err
	}
	if len(samples) < samplesMin {
		return Floor{}, &refusedError{"futex_wake", fmt.Sprintf("the thread on CPU %d was asleep in %d of %d attempts", peer, len(samples), turn)}
	}
	return newFloor("futex_wake", fmt.Sprintf("CPU %d wakes a thread asleep on CPU %d, to its running", on, peer), samples)
}
