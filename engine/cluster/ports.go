package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// span is ports from one to another, both included.
type span struct{ first, last int }

func (s span) size() int { return s.last - s.first + 1 }

func (s span) contains(port int) bool { return s.first <= port && port <= s.last }

// FreeAddresses are so many addresses of loopback that nobody listens at now, of
// ports that the system gives no outgoing connection: else one of another node,
// which looks for its peers again and again, could have a node's port whenever that
// node does not listen there, and even be connected to itself.
func FreeAddresses(n int) (addresses []string, err error) {
	among := outgoing().beyond()
	begin := rand.IntN(among.size())
	var refused error
	for tried := range among.size() {
		if len(addresses) == n {
			break
		}
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(among.first+(begin+tried)%among.size()))
		l, err := net.Listen("tcp", at)
		if err != nil {
			refused = err
			continue
		}
		defer l.Close() // all at once, so that none is chosen twice
		addresses = append(addresses, at)
	}
	if len(addresses) < n {
		return nil, fmt.Errorf("%d ports are wanted, and %d to %d have %d: %w", n, among.first, among.last, len(addresses), refused)
	}
	return addresses, nil
}

// outgoing is where the system takes the ports of outgoing connections from:
// Linux says it, and others keep to IANA's dynamic ports.
func outgoing() span {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	s, unread := parseSpan(string(text))
	if err = errors.Join(err, unread); err != nil {
		return span{49152, 65535}
	}
	return s
}

func parseSpan(text string) (s span, err error) {
	if _, err = fmt.Sscan(text, &s.first, &s.last); err == nil && (s.first < 1 || s.last < s.first || s.last > 65535) {
		err = fmt.Errorf("ports %d to %d", s.first, s.last)
	}
	return s, err
}

const (
	portLeast  = 10240 // above those that services are known by
	portsLeast = 1024  // fewer are too few to choose from
)

// beyond is ports that are not of the span, below it rather than above; where
// it has nearly all of them, all.
func (s span) beyond() span {
	if below := (span{portLeast, s.first - 1}); below.size() >= portsLeast {
		return below
	}
	if above := (span{max(portLeast, s.last+1), 65535}); above.size() >= portsLeast {
		return above
	}
	return span{portLeast, 65535}
}
