package cpu

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func readClock(s Source) (ns int64, err error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(s), &ts); err != nil {
		return 0, fmt.Errorf("clock_gettime(%d): %w", s, err)
	}
	return ts.Nano(), nil
}
