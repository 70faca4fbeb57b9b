package ingest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

const (
	udpBatch = 32 // datagrams a call

	// A datagram is received into a slot of udpSlot bytes, such that the topic of
	// a v2 frame lies at its place. What does not fit goes on in a scratch.
	udpSlot    = 2 << 10
	udpAt      = event.HeaderSize - wire.PrefixSize - wire.HeadV2
	udpFits    = udpSlot - udpAt
	udpLongest = 64 << 10

	// A frame of at most udpSmall bytes is copied on to a small slot: an event that
	// waits in a lane would else have the place of eight, and while slots are out
	// datagrams that are urgent wait as well.
	udpSmall = 128
)

// datagrams is a worker's UDP socket. Slots wait in it for what comes next.
type datagrams struct {
	fd       int
	intake   *Intake
	priority int // the cap
	slots    [udpBatch]event.Ref
	headers  [udpBatch]*event.Header // nil is to be filled
	scratch  [udpBatch][]byte        // udpFits free bytes, then what did not fit the slot
	sources  [udpBatch]unix.RawSockaddrInet6
	vectors  [udpBatch][2]unix.Iovec
	messages [udpBatch]message

	received cpu.Ticks
	at, have int  // messages[at:have] are not yet admitted
	ready    bool // the poll said that there are more
	last     int  // calls since Stop
	dropped  uint32
	gaps     gaps

	counts UDPCounts
}

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

const datagramSlot = -2 // in the poll

func sharePort(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// listenUDP makes the socket one that w reads.
func (w *Worker) listenUDP(socket *net.UDPConn, c Datagrams, in *Intake) error {
	fd, err := duplicate(socket)
	if err != nil {
		return err
	}
	d := &datagrams{fd: fd, intake: in, priority: int(c.Cap)}
	w.udp = d
	for i := range d.messages {
		d.scratch[i] = make([]byte, udpFits+udpLongest)
		d.vectors[i][1].Base = &d.scratch[i][udpFits]
		d.vectors[i][1].SetLen(udpLongest)
		m := &d.messages[i].header
		m.Name = (*byte)(unsafe.Pointer(&d.sources[i]))
		m.Iov = &d.vectors[i][0]
		m.SetIovlen(2)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, c.Buffer); err != nil {
		return fmt.Errorf("SO_RCVBUF: %w", err)
	}
	if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil && got < c.Buffer {
		w.tcp.config.Log.Warn("UDP port: the kernel gives a smaller buffer, and drops sooner: raise net.core.rmem_max", "asked", c.Buffer, "given", got)
	}
	return w.watch(fd, datagramSlot, unix.EPOLLIN|unix.EPOLLET)
}

// UDPCounts are those of the worker's datagrams, nil if it takes none.
func (w *Worker) UDPCounts() *UDPCounts {
	if w.udp == nil {
		return nil
	}
	return &w.udp.counts
}

// takeDatagrams receives at most one batch, and admits what there is room for.
func (w *Worker) takeDatagrams() (work int) {
	d := w.udp
	if d.at == d.have && d.ready {
		w.receive()
	}
	for d.at < d.have && w.admitDatagram(d.at) {
		d.at++
		work++
	}
	d.intake.Flush()
	return work
}

// receive fills the slots that are needed and asks the kernel for datagrams.
func (w *Worker) receive() {
	d := w.udp
	n := 0
	for ; n < udpBatch; n++ {
		if d.headers[n] == nil && !w.supply(n) {
			break
		}
		m := &d.messages[n].header
		m.Namelen, m.Flags = uint32(unsafe.Sizeof(d.sources[n])), 0
	}
	if n == 0 {
		return // no slot: they wait in the socket
	}
	if w.tcp.stopping.Load() {
		d.last++
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(d.fd), uintptr(unsafe.Pointer(&d.messages[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	d.received = cpu.Now()
	if errno != 0 {
		d.ready = errno != unix.EAGAIN // an ICMP error of an earlier send, say: it is read off
		return
	}
	d.at, d.have = 0, int(r)
	d.ready = d.have == n && d.last < lastReads
	d.counts.Received.Add(uint64(d.have))
}

// supply takes a slot for message i.
func (w *Worker) supply(i int) bool {
	d := w.udp
	r, h := d.intake.take(udpSlot)
	if h == nil {
		return false
	}
	d.slots[i], d.headers[i] = r, h
	d.vectors[i][0].Base = (*byte)(unsafe.Add(unsafe.Pointer(h), udpAt))
	d.vectors[i][0].SetLen(udpFits)
	return true
}

// admitDatagram admits message i, or refuses it for good; false means not now.
func (w *Worker) admitDatagram(i int) bool {
	d := w.udp
	b := d.content(i)
	n, s := wire.Decode(b, &w.frame)
	f := &w.frame
	switch {
	case d.messages[i].header.Flags&unix.MSG_TRUNC != 0 || s == wire.More:
		w.refuseDatagram(i, &d.counts.Truncated, "datagram is shorter than its frame")
		return true
	case s != wire.OK:
		w.refuseDatagram(i, &d.counts.Malformed[s], s.String())
		return true
	case n < len(b):
		w.refuseDatagram(i, &d.counts.Trailing, "datagram goes on behind its frame")
		return true
	case int(f.Priority) > d.priority:
		d.counts.Rejected.Add(1)
		return true
	}
	if w.tcp.config.TrustIntended {
		f.Intended = 0 // no hello says whose clock it is on
	}
	a := Arrival{Received: d.received, Origin: event.FromUDP}
	if len(b) > udpFits || len(b) <= udpSmall {
		if !d.intake.Admit(f, a) {
			return false
		}
	} else {
		if !d.intake.adopt(d.slots[i], d.headers[i], f, a) {
			return false
		}
		d.headers[i] = nil
	}
	d.note(f)
	return true
}

// content is message i in one piece.
func (d *datagrams) content(i int) []byte {
	slot := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(d.headers[i]), udpAt)), udpFits)
	length := int(d.messages[i].length)
	if length <= udpFits {
		return slot[:length]
	}
	copy(d.scratch[i], slot)
	return d.scratch[i][:length]
}

// refuseDatagram counts and names one that is no frame.
func (w *Worker) refuseDatagram(i int, counter *metrics.Counter, why string) {
	counter.Add(1)
	w.complaints.say(complaint{what: "UDP: " + why + ": ignored", client: source(&w.udp.sources[i])})
}

// source is the address that a datagram came from.
func source(a *unix.RawSockaddrInet6) netip.AddrPort {
	if a.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), ntohs(v4.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), ntohs(a.Port))
}

func ntohs(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// note looks for gaps in what a v2 producer counts.
func (d *datagrams) note(f *wire.Frame) {
	if f.Version != wire.V2 {
		return
	}
	missing, late, forgot := d.gaps.note(f.ID)
	d.counts.Missing.Add(missing)
	d.counts.Late.Add(late)
	d.counts.Untracked.Add(forgot)
}

// skMeminfoDrops is the place of the drops in what SO_MEMINFO gives (linux/sock_diag.h).
const skMeminfoDrops = 8

// countDrops asks the kernel how many datagrams it dropped: the number that
// SO_RXQ_OVFL sends along with the next datagram, but without one having to come.
func (d *datagrams) countDrops() {
	var info [skMeminfoDrops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(d.fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(info)) {
		return
	}
	d.counts.Dropped.Add(uint64(info[skMeminfoDrops] - d.dropped))
	d.dropped = info[skMeminfoDrops]
}

// drained reports, after Stop, whether nothing is left to admit.
func (d *datagrams) drained() bool {
	return d == nil || d.at == d.have && !d.ready && d.intake.Waiting() == 0
}

// close ends it. The slots that wait in it go back.
func (d *datagrams) close() error {
	if d == nil {
		return nil
	}
	for i, h := range d.headers {
		if h != nil {
			d.intake.pool.Release(d.slots[i])
			d.headers[i] = nil
		}
	}
	d.countDrops()
	return errors.Join(unix.Close(d.fd))
}
