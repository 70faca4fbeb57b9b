package engine

import "eventstreamcore/engine/ingest"

// Datagrams is what came of datagrams so far; zero for an engine that takes none.
// Received counts them all: those that were dropped by the kernel are not among
// them, and neither ever reached anyone's hands.
type Datagrams struct {
	Received  uint64 // by the engine
	Dropped   uint64 // by the kernel, for want of room in its buffer
	Truncated uint64 // shorter than their frame
	Trailing  uint64 // longer than their frame
	Malformed uint64 // no frame
	Rejected  uint64 // of a priority over the cap
	Missing   uint64 // ids that their producers' counters skipped, also if they come late
	Late      uint64 // ids that came behind a higher one of their producer
	Untracked uint64 // producers forgotten, for there are too many: their gaps are not seen
}

// Datagrams may be called from any goroutine.
func (e *Engine) Datagrams() (d Datagrams) {
	if e.gate.tcp == nil {
		return d
	}
	for _, w := range e.gate.tcp.Workers {
		if n := w.UDPCounts(); n != nil {
			d.add(n)
		}
	}
	return d
}

func (d *Datagrams) add(n *ingest.UDPCounts) {
	d.Received += n.Received.Load()
	d.Dropped += n.Dropped.Load()
	d.Truncated += n.Truncated.Load()
	d.Trailing += n.Trailing.Load()
	d.Rejected += n.Rejected.Load()
	d.Missing += n.Missing.Load()
	d.Late += n.Late.Load()
	d.Untracked += n.Untracked.Load()
	for status := range n.Malformed {
		d.Malformed += n.Malformed[status].Load()
	}
}

// FileInput is how far a file was read.
type FileInput struct {
	Path      string
	Bytes     uint64 // read
	TooLong   uint64 // lines that no frame could hold, left out
	Cut       uint64 // frames that the end of a file cut short
	Replaced  uint64 // times that another file took the name
	Truncated uint64 // times that the file was found shorter than what was read of it
	Err       error  // why the input ended before its time
}

// FileInputs may be called from any goroutine.
func (e *Engine) FileInputs() (all []FileInput) {
	for i, f := range e.gate.files {
		n := &f.Counts
		all = append(all, FileInput{
			Path: e.cfg.Files[i].Path, Bytes: n.Bytes.Load(), TooLong: n.TooLong.Load(), Cut: n.Cut.Load(),
			Replaced: n.Replaced.Load(), Truncated: n.Truncated.Load(), Err: f.Err(),
		})
	}
	return all
}

// DatagramAddr is the address that datagrams are taken at; "" when they are not.
func (e *Engine) DatagramAddr() string {
	if !e.gate.udp.IsValid() {
		return ""
	}
	return e.gate.udp.String()
}
