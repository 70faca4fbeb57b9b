package main

import "golang.org/x/sys/unix"

// kernelRelease is the kernel's own name of its version, as uname -r prints it.
func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// memoryMB is the memory of the machine; 0 is unknown.
func memoryMB() int {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 0
	}
	return int(s.Totalram * uint64(s.Unit) >> 20)
}
