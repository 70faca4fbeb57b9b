package probes

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

func mapBytes(n int) (bytes []byte, release func() error, err error) {
	size := (n + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1)
	all, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return all[:n], func() error { return unix.Munmap(all) }, nil
}

// bindTo has the pages come from one node and nowhere else (mbind(2)).
func bindTo(bytes []byte, node int) error {
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

// nodesOf counts the pages of bytes by node (move_pages(2) without a target);
// -1 counts pages that are not there.
func nodesOf(bytes []byte) (map[int]int, error) {
	const batch = 1024
	size, found := os.Getpagesize(), map[int]int{}
	count := (len(bytes) + size - 1) / size
	for first := 0; first < count; first += batch {
		n := min(batch, count-first)
		var addresses [batch]unsafe.Pointer
		var status [batch]int32
		for i := range n {
			addresses[i] = unsafe.Pointer(&bytes[(first+i)*size])
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
