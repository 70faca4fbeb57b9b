//go:build !linux

package probes

import "eventstreamcore/engine/cpu"

func openCounters(int) (*Counters, error) { return nil, cpu.ErrUnsupported }

func (c *Counters) start() error { return cpu.ErrUnsupported }

func (c *Counters) stop() ([]Count, error) { return nil, cpu.ErrUnsupported }

func (c *Counters) closeAll() error { return nil }

func counted(f func()) ([]Count, []string, error) { return nil, nil, cpu.ErrUnsupported }

func findPMU() string { return "" }
