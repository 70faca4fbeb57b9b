package ingest

// fifo is a queue of connections. It holds each at most once, so that it never
// grows beyond their number.
type fifo struct {
	ring []*conn
	head int
	n    int
}

func (q *fifo) push(c *conn) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)%len(q.ring)] = c
	q.n++
}

// pop is the connection that waited longest, or nil.
func (q *fifo) pop() *conn {
	if q.n == 0 {
		return nil
	}
	c := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return c
}

// remove takes c out, wherever it stands.
func (q *fifo) remove(c *conn) {
	for range q.n {
		if other := q.pop(); other != c {
			q.push(other)
		}
	}
}

func (q *fifo) grow() {
	ring := make([]*conn, max(16, 2*q.n))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)%len(q.ring)]
	}
	q.ring, q.head = ring, 0
}
