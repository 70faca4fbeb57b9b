package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// resident is the server in the process, or the one that took its place: when a
// disk has no room left JetStream closes all it has there, and never opens it
// again. So the server is ended then, and started anew once there is room. Who
// is connected to it connects again by itself.
type resident struct {
	cfg   *Config
	creds credentials
	now   atomic.Pointer[server.Server]
	full  atomic.Bool
}

const (
	lookAfter = time.Second // between looks whether JetStream is still open
	roomLeast = 16 << 20    // bytes that must be free: less is full again at once
)

func newResident(c *Config, creds credentials) (*resident, error) {
	r := &resident{cfg: c, creds: creds}
	s, err := startServer(c, creds)
	r.now.Store(s)
	return r, err
}

// InProcessConn is how the node's own connection is made.
func (r *resident) InProcessConn() (net.Conn, error) { return r.now.Load().InProcessConn() }

// watch sees to it that there is a server that stores, until ctx is done.
func (r *resident) watch(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, lookAfter) {
		if r.now.Load().JetStreamEnabled() {
			continue
		}
		err := tryRoom(r.cfg.Dir, roomLeast)
		if !r.full.Swap(true) {
			r.cfg.Logger.Error("the cluster's streams are closed, as for want of room: this node takes no part until there is", "folder", r.cfg.Dir, "err", err)
		}
		if err != nil {
			continue
		}
		r.end()
		s, err := startServer(r.cfg, r.creds)
		if err != nil {
			r.cfg.Logger.Error("the cluster's server does not start", "err", err)
			continue
		}
		r.now.Store(s)
		r.full.Store(false)
		r.cfg.Logger.Info("there is room for the cluster's streams again", "folder", r.cfg.Dir)
	}
}

// end ends the server, for good or for another.
func (r *resident) end() {
	s := r.now.Load()
	s.Shutdown()
	s.WaitForShutdown()
}

// tryRoom writes so many bytes to a file in the folder, which is removed again:
// what the file system says to be free need not be for us.
func tryRoom(dir string, bytes int) error {
	name := filepath.Join(dir, "room")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for ; bytes > 0 && err == nil; bytes -= len(block) {
		_, err = f.Write(block)
	}
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(name))
}
