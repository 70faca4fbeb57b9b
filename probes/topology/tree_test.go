package topology

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree is a file system in memory with symbolic links: a captured machine.
type tree struct {
	name     string
	children map[string]*tree // nil for a file
	content  []byte
	link     string
}

func newTree() *tree { return &tree{children: map[string]*tree{}} }

// add puts a file, or a link when target is given, at the path.
func (t *tree) add(at, content, link string) {
	dir := t
	parts := strings.Split(at, "/")
	for _, p := range parts[:len(parts)-1] {
		next := dir.children[p]
		if next == nil {
			next = &tree{name: p, children: map[string]*tree{}}
			dir.children[p] = next
		}
		dir = next
	}
	base := parts[len(parts)-1]
	dir.children[base] = &tree{name: base, content: []byte(content), link: link}
}

// find follows links, a bounded number of them.
func (t *tree) find(at string, links int) *tree {
	node, done := t, ""
	if at == "." {
		return t
	}
	parts := strings.Split(at, "/")
	for i, p := range parts {
		if node = node.children[p]; node == nil {
			return nil
		}
		if node.link != "" {
			if links == 0 {
				return nil
			}
			return t.find(path.Join(append([]string{done, node.link}, parts[i+1:]...)...), links-1)
		}
		done = path.Join(done, p)
	}
	return node
}

func (t *tree) Open(name string) (fs.File, error) {
	node := t.find(name, 8)
	if node == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &open{node: node, Reader: bytes.NewReader(node.content)}, nil
}

// open is an open file or folder.
type open struct {
	node *tree
	*bytes.Reader
}

func (o *open) Stat() (fs.FileInfo, error) { return info{o.node}, nil }
func (o *open) Close() error               { return nil }
func (o *open) ReadDir(int) (list []fs.DirEntry, err error) {
	for _, c := range o.node.children {
		list = append(list, fs.FileInfoToDirEntry(info{c}))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

type info struct{ t *tree }

func (i info) Name() string       { return i.t.name }
func (i info) Size() int64        { return int64(len(i.t.content)) }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.t.children != nil }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// unpack reads a captured machine: NAME/sys/..., NAME/proc/...
func unpack(t *testing.T, file string) *tree {
	t.Helper()
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	root := newTree()
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		_, at, _ := strings.Cut(strings.TrimSuffix(header.Name, "/"), "/")
		switch header.Typeflag {
		case tar.TypeReg:
			content, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			root.add(at, string(content), "")
		case tar.TypeSymlink:
			root.add(at, "", header.Linkname)
		}
	}
}
