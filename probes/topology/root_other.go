//go:build !linux

package topology

import (
	"io/fs"
	"os"
)

func newRoot(dir string) fs.FS { return os.DirFS(dir) }
