package agent

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"eventstreamcore/reports/record"
)

// protocol is the version of what follows.
const protocol = 1

// A message is four bytes of length, big-endian, and as much JSON.
const (
	requestMost = 8 << 10  // bytes of a request
	replyMost   = 16 << 20 // bytes of a reply: a result's histograms
	sendWait    = 20 * time.Second
)

// request is what a commander sends: one of its fields.
type request struct {
	Ping  *Ping  `json:"ping,omitempty"`
	Order *Order `json:"order,omitempty"`
	Start *Start `json:"start,omitempty"`
}

// Ping asks for the time, and is the sign of life, too.
type Ping struct {
	N int `json:"n"` // which one it is, for its pong; 0 where none is waited for
}

// Start opens the gate of the load that is ready.
type Start struct {
	At int64 `json:"at"` // ns of the agent's CLOCK_MONOTONIC_RAW
}

func (r *request) check() error {
	n := 0
	for _, set := range []bool{r.Ping != nil, r.Order != nil, r.Start != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("a request of %d parts: send a ping, an order or a start", n)
	}
	return nil
}

// reply is what an agent sends: one of its fields.
type reply struct {
	Hello   *Hello      `json:"hello,omitempty"`
	Refused string      `json:"refused,omitempty"` // the session ends with it
	Pong    *Pong       `json:"pong,omitempty"`
	Ready   *Ready      `json:"ready,omitempty"`
	Result  *record.Run `json:"result,omitempty"`
}

// Hello opens a session.
type Hello struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"` // of the agent's build
	Limits   Limits `json:"limits"`
}

// Pong is the agent's time, between ping and pong.
type Pong struct {
	N  int   `json:"n"`  // of the ping
	At int64 `json:"at"` // ns of CLOCK_MONOTONIC_RAW
}

// Ready says that the connections to the target stand.
type Ready struct{}

// line carries messages. One goroutine receives; any may send.
type line struct {
	conn    net.Conn
	sending sync.Mutex
}

func newLine(c net.Conn) *line { return &line{conn: c} }

func (l *line) send(message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(sendWait))
	_, err = l.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

// errGone says that the other side ended the stream between two messages.
var errGone = errors.New("the other side has gone")

// receive reads a message of at most so many bytes, for which it waits at most
// so long. Fields that are not known are an error.
func (l *line) receive(message any, most int, patience time.Duration) error {
	l.conn.SetReadDeadline(time.Now().Add(patience))
	var head [4]byte
	if _, err := io.ReadFull(l.conn, head[:]); errors.Is(err, io.EOF) {
		return errGone
	} else if err != nil {
		return silent(err, patience)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > uint32(most) {
		return fmt.Errorf("a message of %d bytes: they have 1 to %d", size, most)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(l.conn, text); err != nil {
		return silent(err, patience)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(message); err != nil {
		return fmt.Errorf("not a message: %w", err)
	}
	if d.Decode(&struct{}{}) != io.EOF {
		return errors.New("not a message: there is something behind it")
	}
	return nil
}

// silent names a deadline that has passed.
func silent(err error, patience time.Duration) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("nothing heard for %v", patience)
	}
	return err
}
