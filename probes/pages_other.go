//go:build !linux

package probes

func mapBytes(n int) (bytes []byte, release func() error, err error) {
	return make([]byte, n), func() error { return nil }, nil
}
