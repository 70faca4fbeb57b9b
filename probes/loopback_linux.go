package probes

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
)

// streamLoopback returns ns a byte.
func streamLoopback(clock cpu.Clock, writer, reader int, budget time.Duration) (samples []float64, err error) {
	out, in, err := connect()
	if err != nil {
		return nil, err
	}
	defer unix.Close(out)
	var writeErr, readErr error
	err = together([]int{writer, reader}, func(i int) {
		if i == 0 {
			writeErr = writeUntilClosed(out)
			return
		}
		samples, readErr = readBytesFor(clock, in, budget)
		readErr = errors.Join(readErr, unix.Close(in)) // ends the writer
	})
	if err != nil { // nothing ran
		return nil, errors.Join(err, unix.Close(in))
	}
	return samples, errors.Join(readErr, writeErr)
}

// connect makes one TCP connection over 127.0.0.1, with both ends blocking: a
// read costs what the kernel costs, not the runtime's poller.
func connect() (out, in int, err error) {
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, err
	}
	if err := unix.Listen(listener, 1); err != nil {
		return 0, 0, err
	}
	address, err := unix.Getsockname(listener)
	if err != nil {
		return 0, 0, err
	}
	if out, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, err
	}
	if err := unix.Connect(out, address); err != nil {
		return 0, 0, errors.Join(err, unix.Close(out))
	}
	if in, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC); err != nil {
		return 0, 0, errors.Join(err, unix.Close(out))
	}
	return out, in, nil
}

func writeUntilClosed(out int) error {
	block := make([]byte, readBytes)
	for {
		_, err := unix.SendmsgN(out, block, nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET): // the reader has enough
			return nil
		case err != nil:
			return err
		}
	}
}

// readBytesFor reads for the budget, after a first sample that is not kept: the
// connection's window opens in it.
func readBytesFor(clock cpu.Clock, in int, budget time.Duration) (samples []float64, err error) {
	block := make([]byte, readBytes)
	read := func() float64 {
		began, got := cpu.Now(), 0
		for got < bytesPerSample && err == nil {
			var n int
			n, err = unix.Read(in, block)
			switch {
			case errors.Is(err, unix.EINTR):
				n, err = 0, nil
			case n == 0 && err == nil:
				err = io.ErrUnexpectedEOF
			}
			got += max(n, 0)
		}
		return float64(clock.Ns(cpu.End()-began)) / float64(max(got, 1))
	}
	read()
	samples = sampleUntil(clock, budget, read)
	return samples, err
}
