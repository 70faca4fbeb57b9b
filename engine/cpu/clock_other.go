//go:build !linux

package cpu

import "time"

var clockStart = time.Now()

// readClock knows no raw clock here; the runtime's monotonic one is the nearest.
func readClock(s Source) (ns int64, err error) {
	if s == Realtime {
		return time.Now().UnixNano(), nil
	}
	return int64(time.Since(clockStart)), nil
}
