package probes

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapBytes(n int) (bytes []byte, release func() error, err error) {
	size := (n + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1)
	all, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return all[:n], func() error { return unix.Munmap(all) }, nil
}
