//go:build !linux

package probes

func lastCPU(int) int { return -1 }
