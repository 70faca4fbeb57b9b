package topology

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// captured is a machine in memory, as it stands in a tar archive: folders,
// small files and symbolic links.
type captured struct {
	name     string
	children map[string]*captured // nil for a file
	content  []byte
	link     string // where a symbolic link points
}

// Bounds on what an archive may unpack to.
const (
	capturedBytesMax   = 256 << 20
	capturedEntriesMax = 1 << 21
	linksMax           = 8 // followed on one path
)

// OpenCaptured reads a machine captured as a .tar.gz: NAME/sys/.., NAME/proc/..,
// all below one top folder, as `tar czf` of copied files makes it.
func OpenCaptured(file string) (fs.FS, error) {
	packed, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("%s is no .tar.gz: %w", file, err)
	}
	bounded := io.LimitReader(plain, capturedBytesMax)
	root, err := unpack(tar.NewReader(bounded))
	if err == nil {
		_, err = io.Copy(io.Discard, bounded) // to its end, where its checksum is
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return root, nil
}

func unpack(archive *tar.Reader) (*captured, error) {
	root := &captured{children: map[string]*captured{}}
	for range capturedEntriesMax {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		_, at, below := strings.Cut(strings.TrimSuffix(header.Name, "/"), "/")
		if !below || !fs.ValidPath(at) {
			continue
		}
		switch header.Typeflag {
		case tar.TypeReg:
			content, err := io.ReadAll(archive)
			if err != nil {
				return nil, err
			}
			root.add(at, content, "")
		case tar.TypeSymlink:
			root.add(at, nil, header.Linkname)
		}
	}
	return nil, fmt.Errorf("over %d entries", capturedEntriesMax)
}

// add puts a file, or a link when target is given, at the path.
func (t *captured) add(at string, content []byte, target string) {
	dir := t
	parts := strings.Split(at, "/")
	base := parts[len(parts)-1]
	for _, p := range parts[:len(parts)-1] {
		next := dir.children[p]
		if next == nil || next.children == nil {
			next = &captured{name: p, children: map[string]*captured{}}
			dir.children[p] = next
		}
		dir = next
	}
	dir.children[base] = &captured{name: base, content: content, link: target}
}

// find follows links, a bounded number of them.
func (t *captured) find(at string, links int) *captured {
	if at == "." {
		return t
	}
	node, done := t, ""
	parts := strings.Split(at, "/")
	for i, p := range parts {
		if node = node.children[p]; node == nil {
			return nil
		}
		if node.link != "" {
			to := path.Join(append([]string{done, node.link}, parts[i+1:]...)...)
			if links == 0 || !fs.ValidPath(to) { // out of the tree
				return nil
			}
			return t.find(to, links-1)
		}
		done = path.Join(done, p)
	}
	return node
}

// Open opens a file or a folder.
func (t *captured) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	node := t.find(name, linksMax)
	if node == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &opened{node: node, Reader: bytes.NewReader(node.content)}, nil
}

// opened is an open file or folder.
type opened struct {
	*bytes.Reader
	node   *captured
	listed bool
}

func (o *opened) Close() error               { return nil }
func (o *opened) Stat() (fs.FileInfo, error) { return info{o.node}, nil }

// ReadDir lists the whole folder at once, sorted.
func (o *opened) ReadDir(n int) (list []fs.DirEntry, err error) {
	if o.listed {
		if n > 0 {
			err = io.EOF
		}
		return nil, err
	}
	o.listed = true
	for _, c := range o.node.children {
		list = append(list, fs.FileInfoToDirEntry(info{c}))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

type info struct{ t *captured }

func (i info) Name() string       { return i.t.name }
func (i info) Size() int64        { return int64(len(i.t.content)) }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.t.children != nil }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	switch {
	case i.IsDir():
		return fs.ModeDir | 0o755
	case i.t.link != "":
		return fs.ModeSymlink | 0o777
	}
	return 0o644
}
