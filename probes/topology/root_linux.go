package topology

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

type root struct {
	fs.FS
	dir string
}

func newRoot(dir string) fs.FS { return root{FS: os.DirFS(dir), dir: dir} }

// ReadFile reads in pieces of 512 bytes and more: a sysctl read byte by byte
// ends after the first.
func (r root) ReadFile(path string) ([]byte, error) { return fs.ReadFile(r.FS, path) }

// Stat is for those who only ask whether something is there.
func (r root) Stat(path string) (fs.FileInfo, error) { return fs.Stat(r.FS, path) }

// ReadDir lists a folder.
func (r root) ReadDir(path string) ([]fs.DirEntry, error) { return fs.ReadDir(r.FS, path) }

func (r root) readSmall(path string, limit int) (string, error) {
	if !fs.ValidPath(path) {
		return "", &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	fd, err := retry(func() (int, error) { return unix.Open(r.dir+"/"+path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) })
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	buffer := buffers.Get().(*[bufferBytes]byte)
	defer buffers.Put(buffer)
	var text []byte
	for {
		n, err := retry(func() (int, error) { return unix.Read(fd, buffer[:]) })
		if err != nil {
			return "", &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n < bufferBytes && text == nil { // sysfs gives a file in one read
			return string(buffer[:n]), nil
		}
		if text = append(text, buffer[:n]...); n == 0 || len(text) >= limit {
			return string(text[:min(limit, len(text))]), nil
		}
	}
}

// retry repeats what a signal interrupted.
func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}
