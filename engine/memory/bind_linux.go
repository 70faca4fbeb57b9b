package memory

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/mempolicy.h.
const (
	mpolBind     = 2
	mpolMfStrict = 1 << 0
	mpolMfMove   = 1 << 1
	nodesMax     = 1024
)

func bind(bytes []byte, node int) error {
	if node < 0 || node >= nodesMax {
		return unix.EINVAL
	}
	var nodes [nodesMax / 64]uint64
	nodes[node/64] = 1 << (node % 64)
	_, _, errno := unix.Syscall6(unix.SYS_MBIND, uintptr(unsafe.Pointer(unsafe.SliceData(bytes))), uintptr(len(bytes)),
		mpolBind, uintptr(unsafe.Pointer(&nodes)), nodesMax+1, mpolMfStrict|mpolMfMove)
	if errno != 0 {
		return os.NewSyscallError("mbind", errno)
	}
	return nil
}

func nodesOf(bytes []byte) (map[int]int, error) {
	const batch = 1024
	found := map[int]int{}
	count := (len(bytes) + pageSize - 1) / pageSize
	for first := 0; first < count; first += batch {
		n := min(batch, count-first)
		var addresses [batch]unsafe.Pointer
		var status [batch]int32
		for i := range n {
			addresses[i] = unsafe.Pointer(&bytes[(first+i)*pageSize])
		}
		_, _, errno := unix.Syscall6(unix.SYS_MOVE_PAGES, 0, uintptr(n), uintptr(unsafe.Pointer(&addresses)), 0, uintptr(unsafe.Pointer(&status)), 0)
		if errno != 0 {
			return nil, os.NewSyscallError("move_pages", errno)
		}
		for _, s := range status[:n] {
			found[max(int(s), -1)]++
		}
	}
	return found, nil
}
