package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func switches() (voluntary, involuntary, faults int64) {
	var u unix.Rusage
	unix.RawSyscall(unix.SYS_GETRUSAGE, unix.RUSAGE_THREAD, uintptr(unsafe.Pointer(&u)), 0)
	return u.Nvcsw, u.Nivcsw, u.Minflt + u.Majflt
}
