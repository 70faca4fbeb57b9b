package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
)

// rootOf opens what --root names.
func rootOf(name string) (fs.FS, error) {
	if name == "" {
		return topology.Root("/"), nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, usage("--root %s: %v", name, errors.Unwrap(err))
	}
	if info.IsDir() {
		return topology.Root(name), nil
	}
	root, err := topology.OpenCaptured(name)
	if err != nil {
		return nil, usage("--root: %v", err)
	}
	return root, nil
}

// readMachine reads the topology; what is wrong with a --root is the caller's.
func (f probeFlags) readMachine() (fs.FS, *topology.Topology, error) {
	root, err := rootOf(f.root)
	if err != nil {
		return nil, nil, err
	}
	t, err := topology.Read(root)
	switch {
	case err != nil && f.root != "":
		return nil, nil, usage("--root %s: %v", f.root, err)
	case err != nil:
		return nil, nil, exit(exitUnmeasured, err)
	}
	return root, t, nil
}

// chosen are the CPUs to measure on.
func (f probeFlags) chosen(t *topology.Topology) (topology.List, error) {
	if f.cpus == "" {
		return t.Usable(), nil
	}
	cpus, err := topology.ParseList(f.cpus)
	if err == nil {
		err = t.Check(cpus)
	}
	if err != nil {
		return nil, usage("--cpus %s: %v", f.cpus, err)
	}
	return cpus, nil
}

// session prepares to measure on this machine.
func (f probeFlags) session(c *cobra.Command) (*probes.Session, error) {
	f.root = ""
	root, t, err := f.readMachine()
	if err != nil {
		return nil, err
	}
	cpus, err := f.chosen(t)
	if err != nil {
		return nil, err
	}
	clock, err := cpu.Calibrate()
	if err != nil {
		return nil, exit(exitUnfit, err)
	}
	dir := f.dir
	if dir == "" {
		dir = "."
	}
	for name, file := range map[string]string{"--dir": filepath.Join(dir, "x"), "--csv": f.csv, "--svg": f.svg} {
		if err := folderOf(file); err != nil {
			return nil, usage("%s: %v", name, err)
		}
	}
	s := &probes.Session{Clock: clock, Root: root, Topology: t, CPUs: cpus, Dir: dir, Full: f.full, Jitter: f.duration}
	if !f.quiet {
		s.Progress = progressTo(c.ErrOrStderr())
	}
	return s, nil
}

// progressTo writes a line before each part and, in long ones, some on the way.
func progressTo(w io.Writer) func(part string, done, of int) {
	var last time.Time
	return func(part string, done, of int) {
		switch {
		case done == 0:
			fmt.Fprintf(w, "measuring %s\n", part)
		case done < of && time.Since(last) > 2*time.Second:
			fmt.Fprintf(w, "measuring %s: %d of %d\n", part, done, of)
		default:
			return
		}
		last = time.Now()
	}
}
