package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has a process be told to end when the thread that starts it does,
// however that comes about.
func endWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
