package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// Input is a file to take events from: concatenated frames, or lines of text.
type Input struct {
	Path string

	// With a Topic the file is lines, each an event of it with this Priority;
	// without their end of line, and empty ones left out. Else it is frames.
	Topic    string
	Priority event.Priority

	// Follow goes on where the file grows, is truncated, or is replaced by another
	// of its name, as log rotation does. Without it the end of the file is the end.
	Follow bool
	// AtEnd begins with what is written from now on. Nothing remembers how far a
	// file was read: without AtEnd, a restart takes all of it again.
	AtEnd bool

	Clock cpu.Clock
	Log   *slog.Logger // nil is slog.Default
}

// FileCounts are one File's; its thread adds.
type FileCounts struct {
	Bytes     metrics.Counter // read
	TooLong   metrics.Counter // lines that no frame could hold, left out
	Cut       metrics.Counter // frames that the end of a file cut short
	Replaced  metrics.Counter // times that another file took the name
	Truncated metrics.Counter // times that the file was found shorter than what was read of it
}

// File takes events from a file. It is a worker like the others, but its Step
// may wait for the disk, so it wants a thread of its own.
type File struct {
	input  Input
	intake *Intake
	file   *os.File

	data   []byte // read and not yet taken; a part of buffer
	buffer []byte
	offset int64 // in the file, of what is read next
	held   int   // how many of data were found to be no whole line or frame
	ended  bool  // the end was reached, and is not followed
	skip   bool  // in the midst of a line too long

	frame   wire.Frame
	arrival Arrival
	lookAt  cpu.Ticks // when to look again whether there is more
	pause   cpu.Ticks

	Counts   FileCounts
	wake     chan struct{}
	stopping atomic.Bool
	done     atomic.Bool
	failure  atomic.Pointer[error]
}

const (
	fileBuffer = wire.MaxFrame + 64<<10
	lookEvery  = 100 * time.Millisecond
)

// OpenFile opens the input. Its events go through the intake.
func OpenFile(input Input, in *Intake) (*File, error) {
	if input.Log == nil {
		input.Log = slog.Default()
	}
	f := &File{input: input, intake: in, buffer: make([]byte, fileBuffer), pause: input.Clock.Ticks(lookEvery.Nanoseconds()), wake: make(chan struct{}, 1)}
	f.frame = wire.Frame{Version: wire.V1, Topic: []byte(input.Topic), Priority: input.Priority}
	if input.Topic != "" {
		if err := f.frame.Check(); err != nil {
			return nil, fmt.Errorf("input file %s: %w", input.Path, err)
		}
	}
	if err := f.open(); err != nil {
		return nil, err
	}
	if input.AtEnd {
		end, err := f.file.Seek(0, io.SeekEnd)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("input file %s: %w", input.Path, err), f.Close())
		}
		f.offset = end
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.Open(f.input.Path)
	if err != nil {
		return fmt.Errorf("input file: %w", err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return fmt.Errorf("input file %s is a folder: name a file in it", f.input.Path)
	}
	f.file, f.offset = file, 0
	return nil
}

// Step takes at most 256 events, after reading if there are none, and returns how many.
func (f *File) Step(now cpu.Ticks) int {
	f.intake.Flush()
	work := 0
	if !f.done.Load() {
		if len(f.data) == f.held {
			f.read(now)
		}
		work = f.take()
		f.finish()
	}
	f.intake.Flush()
	return work
}

// Due is when a file that is followed is looked at again.
func (f *File) Due(cpu.Ticks) cpu.Ticks {
	if f.done.Load() {
		return 0
	}
	return f.lookAt
}

// finish notes when nothing more is to come.
func (f *File) finish() {
	over := f.ended || f.stopping.Load()
	if over && len(f.data) == f.held && f.intake.Waiting() == 0 {
		f.done.Store(true)
	}
}

// read fills the buffer behind what is left in it.
func (f *File) read(now cpu.Ticks) {
	if f.ended || f.stopping.Load() || int64(now-f.lookAt) < 0 {
		return
	}
	left := copy(f.buffer, f.data)
	n, err := f.file.Read(f.buffer[left:])
	f.data = f.buffer[:left+n]
	f.offset += int64(n)
	f.Counts.Bytes.Add(uint64(n))
	f.arrival = Arrival{Received: cpu.Now(), Origin: event.FromFile}
	switch {
	case n > 0:
	case err != io.EOF:
		f.fail(fmt.Errorf("input file %s: %w", f.input.Path, err))
	case !f.input.Follow:
		f.end()
		f.ended = true
	default:
		f.lookAt = now + f.pause
		f.turnOver()
	}
}

// turnOver goes on with another file of the name, or from the start of one that
// was truncated. The end of the old one has been reached.
func (f *File) turnOver() {
	here, err := f.file.Stat()
	if err != nil {
		f.fail(fmt.Errorf("input file %s: %w", f.input.Path, err))
		return
	}
	there, err := os.Stat(f.input.Path)
	switch {
	case err != nil: // gone; the next may not be there yet
	case !os.SameFile(here, there):
		old := f.file
		if here.Size() > f.offset || f.open() != nil { // it grew meanwhile, or the next cannot be read yet
			return
		}
		old.Close()
		f.end()
		f.Counts.Replaced.Add(1)
	case there.Size() < f.offset:
		if _, err := f.file.Seek(0, io.SeekStart); err != nil {
			f.fail(fmt.Errorf("input file %s: %w", f.input.Path, err))
			return
		}
		f.offset = 0
		f.end()
		f.Counts.Truncated.Add(1)
	}
}

// end deals with what is left at a file's end: a last line is a line also
// without its end, half a frame is none.
func (f *File) end() {
	switch {
	case len(f.data) == 0:
		f.skip = false
	case f.input.Topic == "":
		f.Counts.Cut.Add(1)
		f.input.Log.Warn("input file ends within a frame: its last event is lost", "file", f.input.Path, "bytes", len(f.data))
		f.data = f.data[:0]
	default:
		f.data = append(f.data, '\n') // there is room: no line this long is kept
	}
	f.held = 0
}

// take admits events of the data, at most 256.
func (f *File) take() (events int) {
	for events < stepFrames && len(f.data) > f.held {
		n, ok := f.next()
		switch {
		case n == 0:
			return events
		case ok && !f.intake.Admit(&f.frame, f.arrival):
			return events
		case ok:
			events++
		}
		f.data, f.held = f.data[n:], 0
	}
	return events
}

// next finds the event at the start of the data, n bytes long; none if not ok,
// and n is 0 if it is not whole.
func (f *File) next() (n int, ok bool) {
	if f.input.Topic != "" {
		return f.nextLine()
	}
	n, s := wire.Decode(f.data, &f.frame)
	switch {
	case s == wire.OK:
		f.frame.Flags = 0 // no one hears the answer
		return n, true
	case s == wire.More:
		f.held = len(f.data)
	case s == wire.Hello:
		return n, false
	default:
		f.fail(fmt.Errorf("input file %s: %v at byte %d: what follows cannot be read", f.input.Path, s, f.offset-int64(len(f.data))))
	}
	return 0, false
}

func (f *File) nextLine() (n int, ok bool) {
	end := bytes.IndexByte(f.data[f.held:], '\n') + f.held
	longest := wire.MaxBody - wire.HeadV1 - len(f.frame.Topic)
	switch {
	case end < f.held && len(f.data) > longest+1: // with a carriage return, perhaps
		f.tooLong()
		f.skip = true
		return len(f.data), false
	case end < f.held:
		f.held = len(f.data)
		return 0, false
	}
	f.frame.Payload = bytes.TrimSuffix(f.data[:end], []byte{'\r'})
	skipped := f.skip
	if f.skip = false; !skipped && len(f.frame.Payload) > longest {
		f.tooLong()
		skipped = true
	}
	return end + 1, !skipped && len(f.frame.Payload) > 0
}

func (f *File) tooLong() {
	if !f.skip { // once a line
		f.Counts.TooLong.Add(1)
		f.input.Log.Warn("input file has a line that is too long for an event: left out", "file", f.input.Path, "byte", f.offset-int64(len(f.data)))
	}
}

// fail ends the input for a reason.
func (f *File) fail(err error) {
	f.input.Log.Error(err.Error())
	f.failure.Store(&err)
	f.ended = true
	f.held = len(f.data)
}

// Sleep waits for max at the longest, or for Wake: for a millisecond while there
// is no room for what was read, for no one wakes it when there is.
func (f *File) Sleep(max time.Duration) {
	if len(f.data) > f.held || f.intake.Waiting() > 0 {
		max = min(max, time.Millisecond)
	}
	timeout := time.NewTimer(max)
	defer timeout.Stop()
	select {
	case <-f.wake:
	case <-timeout.C:
	}
}

// Wake ends a Sleep, or the next one, from any goroutine.
func (f *File) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Err is why the input ended before its time, or nil.
func (f *File) Err() error {
	if err := f.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Stop reads no more; what was read is still admitted.
func (f *File) Stop() {
	f.stopping.Store(true)
	f.Wake()
}

// Drained reports whether nothing more will come, after Stop or the end of a
// file that is not followed.
func (f *File) Drained() bool { return f.done.Load() }

// Close closes the file. It must no longer be stepped.
func (f *File) Close() error { return f.file.Close() }
