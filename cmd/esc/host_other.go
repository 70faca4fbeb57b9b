//go:build !linux

package main

func kernelRelease() string { return "" }

func memoryMB() int { return 0 }
