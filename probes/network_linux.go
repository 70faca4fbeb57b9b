package probes

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
)

func roundTrips(clock cpu.Clock, client, server int, budget time.Duration) (floors []Floor, err error) {
	if client == server {
		return nil, fmt.Errorf("loopback on CPU %d alone: %w", client, ErrOneCPU)
	}
	for _, way := range []struct {
		name    string
		connect func() (a, b int, err error)
		poll    bool
	}{
		{"tcp_round_trip_blocking", connect, false},
		{"tcp_round_trip_polled", connect, true},
		{"udp_round_trip_blocking", connectUDP, false},
		{"udp_round_trip_polled", connectUDP, true},
	} {
		samples, err := roundTrip(clock, way.connect, way.poll, client, server, budget/4)
		if err != nil {
			return floors, fmt.Errorf("%s: %w", way.name, err)
		}
		f, err := newFloor(way.name, fmt.Sprintf("%d bytes there and back over loopback, CPUs %d and %d", messageBytes, client, server), samples)
		if err != nil {
			return floors, err
		}
		floors = append(floors, f)
	}
	return floors, nil
}

// connectUDP makes two UDP sockets that send to each other.
func connectUDP() (a, b int, err error) {
	var fds [2]int
	var addresses [2]unix.Sockaddr
	for i := range fds {
		if fds[i], err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return 0, 0, err
		}
		if err = unix.Bind(fds[i], &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return 0, 0, err
		}
		if addresses[i], err = unix.Getsockname(fds[i]); err != nil {
			return 0, 0, err
		}
	}
	return fds[0], fds[1], errors.Join(unix.Connect(fds[0], addresses[1]), unix.Connect(fds[1], addresses[0]))
}

// roundTrip times one message there and back. The client ends it by a message
// of one byte; a server that hears nothing for a second ends by itself.
func roundTrip(clock cpu.Clock, connect func() (a, b int, err error), poll bool, client, server int, budget time.Duration) (samples []float64, err error) {
	a, b, err := connect()
	if err != nil {
		return nil, err
	}
	defer unix.Close(a)
	defer unix.Close(b)
	for _, fd := range []int{a, b} {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // UDP has no such option
		timeout := unix.NsecToTimeval(int64(answerLimit))
		if err := errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout), unix.SetNonblock(fd, poll)); err != nil {
			return nil, err
		}
	}
	patience := clock.Ticks(int64(answerLimit))
	var clientErr, serverErr error
	err = together([]int{client, server}, func(i int) {
		if i == 1 {
			serverErr = echoMessages(b, patience)
			return
		}
		samples, clientErr = timeMessages(clock, a, budget, patience)
	})
	return samples, errors.Join(err, clientErr, serverErr)
}

func echoMessages(fd int, patience cpu.Ticks) error {
	var buffer [messageBytes]byte
	for {
		n, err := receive(fd, buffer[:], patience)
		if err != nil {
			return err
		}
		if n == 1 {
			return nil
		}
		if _, err := unix.Write(fd, buffer[:n]); err != nil {
			return err
		}
	}
}

func timeMessages(clock cpu.Clock, fd int, budget time.Duration, patience cpu.Ticks) (samples []float64, err error) {
	message := make([]byte, messageBytes)
	samples = sampleUntil(clock, budget, func() float64 {
		if err != nil {
			return 0
		}
		began := cpu.Now()
		if _, err = unix.Write(fd, message); err == nil {
			_, err = receive(fd, message, patience)
		}
		return float64(clock.Ns(cpu.End() - began))
	})
	_, endErr := unix.Write(fd, message[:1])
	return samples, errors.Join(err, endErr)
}

// receive reads one message, polling where the socket does not block.
func receive(fd int, buffer []byte, patience cpu.Ticks) (n int, err error) {
	began := cpu.Ticks(0)
	for {
		n, err = unix.Read(fd, buffer)
		switch {
		case err == nil && n == 0:
			return 0, errors.New("the other side closed")
		case err == nil:
			return n, nil
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return 0, err
		}
		now := cpu.Now()
		if began == 0 {
			began = now
		} else if now-began > patience {
			return 0, fmt.Errorf("no answer within %v", answerLimit)
		}
	}
}
