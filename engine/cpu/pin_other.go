//go:build !linux

package cpu

func pin([]int) error { return ErrUnsupported }

func allowed() ([]int, error) { return nil, ErrUnsupported }

func current() (cpu, node int, err error) { return 0, 0, ErrUnsupported }

func confine(map[int]bool, []int) error { return ErrUnsupported }

func threadID() int { return 0 }

func threads() ([]Thread, error) { return nil, ErrUnsupported }
