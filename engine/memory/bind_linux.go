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
	maxNodes     = 1024
)

// bind asks for the pages of bytes, present or to come, to be on one node and
// nowhere else (mbind(2), MPOL_BIND).
func bind(bytes []byte, node int) error {
	var nodes [maxNodes / 64]uint64
	if node >= maxNodes {
		return unix.EINVAL
	}
	nodes[node/64] = 1 << (node % 64)
	_, _, errno := unix.Syscall6(unix.SYS_MBIND, uintptr(unsafe.Pointer(unsafe.SliceData(bytes))), uintptr(len(bytes)),
		mpolBind, uintptr(unsafe.Pointer(&nodes)), maxNodes+1, mpolMfStrict|mpolMfMove)
	if errno != 0 {
		return os.NewSyscallError("mbind", errno)
	}
	return nil
}

// nodesOf counts the pages of bytes by the node that each is found on
// (move_pages(2) with no target reads placement back). A page not present
// counts under -1.
func nodesOf(bytes []byte) (map[int]int, error) {
	const batch = 1024
	pages := len(bytes) / pageSize
	found := map[int]int{}
	for first := 0; first < pages; first += batch {
		n := min(batch, pages-first)
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
