package probes

import (
	"hash/fnv"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"eventstreamcore/probes/place"
	"eventstreamcore/probes/topology"
)

// garbled is a machine of which one file in twelve holds junk, or is gone, by a
// seed.
type garbled struct {
	fs.FS
	seed byte
}

var junk = []string{"", "\x00", "(null)", "-1", "0-4294967295", "999999999999", "zz", "3,3,3", "7-2", "ffffffff", "0-63", "\n\n0\n", "cpu \x00\xff"}

func (g garbled) Open(name string) (fs.File, error) {
	h := fnv.New32a()
	h.Write([]byte{g.seed})
	h.Write([]byte(name))
	f, err := g.FS.Open(name)
	if err != nil || h.Sum32()%12 != 0 {
		return f, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if pick := int(h.Sum32()/12) % (len(junk) + 1); pick < len(junk) {
		return fstest.MapFS{name: {Data: []byte(junk[pick])}}.Open(name)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// TestGarbledMachines takes damaged machines the whole way: what is read holds
// together, can be judged and planned for, or is refused in one line.
func TestGarbledMachines(t *testing.T) {
	read := 0
	for _, name := range []string{"qemu-2p2d2c2t-4n", "qemu-isolated-offline", "qemu-memless-node", "qemu-cpuless-hmat"} {
		whole, err := topology.OpenCaptured("topology/testdata/guests/" + name + "/tree.tar.gz")
		if err != nil {
			t.Fatal(err)
		}
		for seed := range byte(40) {
			root := garbled{whole, seed}
			m, err := topology.Read(root)
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%s, seed %d: more than one line: %q", name, seed, err)
				}
				continue
			}
			read++
			if f := CheckFitness(root, m.Usable()); f.Verdict == FIT || len(f.Checks) != len(hostChecks) {
				t.Errorf("%s, seed %d: a captured guest with damage is %s by %d checks", name, seed, f.Verdict, len(f.Checks))
			}
			if len(m.Usable()) == 0 {
				continue
			}
			p, err := place.Choose(m, topology.Matrix{}, place.Roles())
			if err != nil {
				t.Errorf("%s, seed %d: %v", name, seed, err)
				continue
			}
			for _, thread := range p.Threads {
				if !m.Usable().Has(thread.CPU) {
					t.Errorf("%s, seed %d: %s on CPU %d of %v", name, seed, thread.Name, thread.CPU, m.Usable())
				}
			}
		}
	}
	if read < 40 {
		t.Errorf("only %d of 160 damaged machines could still be read", read)
	}
}
