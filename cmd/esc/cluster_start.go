package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/cluster"
)

type startFlags struct {
	dir   string
	nodes int
}

func newClusterStart() *cobra.Command {
	var f startFlags
	c := &cobra.Command{
		Use:   "start --nodes 3 --dir DIR",
		Short: "Run a cluster of processes on this machine's loopback",
		Long: `Run a cluster of processes on this machine's loopback: for trying, and for tests.
Each node is an esc serve of its own; its configuration, DIR/NAME/node.yaml, is
written the first time and can be changed, and is a start for one on machines of
their own. Ports are chosen the first time, of those that no outgoing connection
is given, and kept. SIGINT and SIGTERM end all of them. One that ends by itself
is not started again: start it yourself, by esc serve --config DIR/NAME/node.yaml.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.dir == "" {
				return usage("--dir is missing: name the folder for the nodes")
			}
			if f.nodes != 3 && f.nodes != 5 {
				return usage("--nodes %d: use 3 or 5", f.nodes)
			}
			return startCluster(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), f)
		},
	}
	c.Flags().StringVar(&f.dir, "dir", "", "folder for the nodes")
	c.Flags().IntVar(&f.nodes, "nodes", 3, "how many: 3 or 5")
	return c
}

func startCluster(ctx context.Context, out, messages io.Writer, f startFlags) error {
	l, err := readLayout(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		l, err = layOut(f)
	}
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, n := range l.Nodes {
		fmt.Fprintf(out, "%s frames %s client %s\n", n.Name, n.Frames, n.Client)
	}
	var nodes sync.WaitGroup
	lines := &lineWriter{to: messages}
	ended := make([]error, len(l.Nodes))
	for i, n := range l.Nodes {
		nodes.Go(func() {
			ended[i] = runNode(ctx, self, filepath.Join(f.dir, n.Name, "node.yaml"), n.Name, lines)
			if ended[i] != nil {
				lines.print("esc", fmt.Sprintf("%s has ended: %v", n.Name, ended[i]))
			}
		})
	}
	nodes.Wait()
	return errors.Join(ended...)
}

// nodeGrace is how long a node may take to end before it is killed.
const nodeGrace = 20 * time.Second

// runNode runs one node until it ends, or until ctx is done. It is not left behind
// by a process that is killed: the thread that started it must live for that, too.
func runNode(ctx context.Context, self, config, name string, lines *lineWriter) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := exec.CommandContext(ctx, self, "serve", "--config", config)
	endWithParent(c)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = nodeGrace
	var pipes []io.Reader
	for _, open := range []func() (io.ReadCloser, error){c.StdoutPipe, c.StderrPipe} {
		pipe, err := open()
		if err != nil {
			return err
		}
		pipes = append(pipes, pipe)
	}
	if err := c.Start(); err != nil {
		return err
	}
	lines.print("esc", fmt.Sprintf("%s is process %d", name, c.Process.Pid))
	var read sync.WaitGroup
	for _, pipe := range pipes {
		read.Go(func() {
			for text := bufio.NewScanner(pipe); text.Scan(); {
				lines.print(name, text.Text())
			}
		})
	}
	read.Wait()
	err := c.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// lineWriter keeps the nodes' lines whole.
type lineWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lineWriter) print(who, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.to, "%s: %s\n", who, text)
}

// layOut chooses ports and writes what the nodes need.
func layOut(f startFlags) (l layout, err error) {
	ports, err := cluster.FreeAddresses(3 * f.nodes)
	if err != nil {
		return l, err
	}
	var peers []cluster.Peer
	for i := range f.nodes {
		n := layoutNode{Name: "n" + strconv.Itoa(i+1), Frames: ports[3*i], Client: ports[3*i+1], Route: ports[3*i+2]}
		l.Nodes = append(l.Nodes, n)
		peers = append(peers, cluster.Peer{Name: n.Name, Address: n.Route})
	}
	certs := filepath.Join(f.dir, "certs")
	if err := cluster.MakeCerts(certs, peers); err != nil {
		return l, err
	}
	for _, n := range l.Nodes {
		if err := writeNode(f.dir, certs, n, l); err != nil {
			return l, fmt.Errorf("configuration of %s: %w", n.Name, err)
		}
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(f.dir, "cluster.json"), append(b, '\n'), 0o644)
	}
	return l, err
}

// writeNode writes a node's configuration: all options, with what they mean.
func writeNode(dir, certs string, n layoutNode, l layout) (err error) {
	s := newSettings()
	if s.data, err = filepath.Abs(filepath.Join(dir, n.Name)); err != nil {
		return err
	}
	if s.cluster.Certs, err = filepath.Abs(certs); err != nil {
		return err
	}
	s.engine.TCP.Address, s.cluster.Name, s.cluster.Client = n.Frames, n.Name, n.Client
	for _, p := range l.Nodes {
		s.cluster.peers = append(s.cluster.peers, p.Name+"="+p.Route)
	}
	var text strings.Builder
	if err := s.print(&text); err != nil {
		return err
	}
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.data, "node.yaml"), []byte(text.String()), 0o644)
}
