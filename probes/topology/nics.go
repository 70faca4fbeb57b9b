package topology

import (
	"errors"
	"io/fs"
)

// NIC is a network interface with hardware behind it.
type NIC struct {
	Name      string `json:"name"`
	Node      *int   `json:"node"` // nil where the bus does not say
	CPUs      *List  `json:"cpus"` // near it, as the bus says
	State     string `json:"state"`
	SpeedMbps *int   `json:"speed_mbps"` // nil while it is down
}

// readNICs lists the interfaces that stand on a device: not loopback, bridges
// or tunnels.
func (r *reader) readNICs(t *Topology) {
	t.NICs = []NIC{}
	const root = "sys/class/net"
	for _, name := range r.names(root) {
		device := root + "/" + name + "/device"
		if _, err := fs.Stat(r.fsys, device); err != nil {
			continue
		}
		state, _ := r.raw(root + "/" + name + "/operstate")
		nic := NIC{Name: name, Node: r.id(device + "/numa_node"), CPUs: r.optional(device + "/local_cpulist"), State: trimmed(state)}
		if nic.State != "down" { // its speed cannot be read then
			nic.SpeedMbps = r.positive(root + "/" + name + "/speed")
		}
		t.NICs = append(t.NICs, nic)
	}
}

// names are the names in a folder, sorted.
func (r *reader) names(dir string) (names []string) {
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.doubt("%s cannot be listed: %v", dir, err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
