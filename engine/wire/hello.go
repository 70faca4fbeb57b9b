package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxToken is the longest token in bytes.
const MaxToken = 1024

const (
	givesProducer = 1 << 0 // hello flag: give me a producer
	helloHead     = 4      // mark, flags, token length
	helloTail     = 8      // time namespace
)

// Greeting is a client's hello: who it is and whose clock its intended times
// are on. Token and BootID are views into the buffer they were decoded from.
type Greeting struct {
	Token         []byte // at most MaxToken bytes
	BootID        []byte // /proc/sys/kernel/random/boot_id; at most 255 bytes
	TimeNamespace uint64 // inode of /proc/self/ns/time
	WantProducer  bool   // asks the server for a producer
}

// Append writes the greeting behind dst as a frame.
func (g *Greeting) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(helloHead+len(g.Token)+1+len(g.BootID)+helloTail))
	flags := byte(0)
	if g.WantProducer {
		flags = givesProducer
	}
	dst = append(dst, markHello, flags)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(g.Token)))
	dst = append(dst, g.Token...)
	dst = append(dst, byte(len(g.BootID)))
	dst = append(dst, g.BootID...)
	return binary.BigEndian.AppendUint64(dst, g.TimeNamespace)
}

// DecodeGreeting reads the whole frame b, of which Decode said Hello: OK,
// BadFlags or BadHello.
func DecodeGreeting(b []byte) (g Greeting, s Status) {
	if len(b) < PrefixSize+helloHead+1+helloTail || b[PrefixSize] != markHello {
		return g, BadHello
	}
	body := b[PrefixSize:]
	if body[1]&^givesProducer != 0 {
		return g, BadFlags
	}
	g.WantProducer = body[1]&givesProducer != 0
	token := int(binary.BigEndian.Uint16(body[2:]))
	rest := body[helloHead:]
	if token > MaxToken || len(rest) < token+1+helloTail {
		return g, BadHello
	}
	g.Token, rest = rest[:token:token], rest[token:]
	boot := int(rest[0])
	if rest = rest[1:]; len(rest) != boot+helloTail {
		return g, BadHello
	}
	g.BootID = rest[:boot:boot]
	g.TimeNamespace = binary.BigEndian.Uint64(rest[boot:])
	return g, OK
}

// AppendWelcome writes the answer to a hello behind dst: it is accepted, and
// producer is the one given, or 0 where none was asked for.
func AppendWelcome(dst []byte, producer uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, answerBody)
	dst = append(dst, markHello, 0, 0, 0)
	return binary.BigEndian.AppendUint64(dst, producer)
}

// DecodeWelcome reads the answer to a hello at the start of b: OK, More or
// BadAnswer, which is what a rejection is here: DecodeAnswer reads that.
func DecodeWelcome(b []byte) (producer uint64, s Status) {
	a, s := DecodeAnswer(b)
	switch s {
	case More:
		return 0, More
	case Hello:
		return a.ID, OK
	}
	return 0, BadAnswer
}

func validTopic(topic []byte) bool {
	return len(topic) >= 1 && len(topic) <= MaxTopic && utf8.Valid(topic)
}
