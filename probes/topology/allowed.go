package topology

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// readAllowed takes what this process's cpusets leave of the machine, and its
// affinity, which is narrower where isolcpus or taskset made it so.
func (r *reader) readAllowed(t *Topology) {
	nodes, memoryless := List{}, List{}
	for _, n := range t.Nodes {
		switch {
		case n.aside:
		case n.MemoryBytes != nil && *n.MemoryBytes == 0: // no cpuset lists such a node
			memoryless = append(memoryless, n.ID)
		default:
			nodes = append(nodes, n.ID)
		}
	}
	t.Affinity = r.statusList("Cpus_allowed_list")
	cpus, mems := r.cpuset()
	if cpus == nil { // no cpuset in sight: one may still have made the affinity
		cpus = r.withoutCpuset(t)
	}
	if mems == nil {
		mems = r.statusList("Mems_allowed_list")
	}
	t.Allowed.CPUs = r.restricted("CPUs", t.Online, cpus)
	if len(t.Nodes) > 0 {
		left := append(memoryless, r.restricted("nodes", nodes, mems)...)
		slices.Sort(left)
		t.Allowed.Nodes = &left
	}
}

// withoutCpuset is what may be used when only the affinity is known: all, when
// the affinity is what isolcpus leaves to every process, else the affinity.
func (r *reader) withoutCpuset(t *Topology) *List {
	if t.Affinity == nil || t.Isolated != nil && slices.Equal(t.Affinity.And(t.Online), t.Online.Less(*t.Isolated)) {
		return nil
	}
	return t.Affinity
}

// Usable are the CPUs to plan on: the allowed ones that the affinity leaves,
// and all allowed ones when the affinity is only what isolcpus leaves to every
// process, for those a thread may be pinned to.
func (t *Topology) Usable() List {
	if t.Affinity == nil {
		return t.Allowed.CPUs
	}
	within := t.Affinity.And(t.Allowed.CPUs)
	if len(within) == 0 || t.Isolated != nil && slices.Equal(within, t.Allowed.CPUs.Less(*t.Isolated)) {
		return t.Allowed.CPUs
	}
	return within
}

// statusList is a list of the calling thread's status. The process's own is
// that of its first thread, which a pinned goroutine may have left pinned; a
// captured tree has only that.
func (r *reader) statusList(key string) *List {
	text, ok := r.raw("proc/thread-self/status")
	if !ok {
		text, _ = r.raw("proc/self/status")
	}
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, key+":"); found {
			if list, ok := r.parse("proc/self/status", value, ParseList); ok {
				return &list
			}
		}
	}
	return nil
}

// restricted is have without what by leaves out; a restriction to nothing that
// there is cannot be meant and is put aside.
func (r *reader) restricted(what string, have List, by *List) List {
	if by == nil || len(*by) == 0 { // an empty cpuset file: no restriction of its own
		return have
	}
	left := have.And(*by)
	if len(left) == 0 && len(have) > 0 {
		r.doubt("this process is restricted to %s %v, of which none is there: put aside", what, *by)
		return have
	}
	return left
}

// cpusetNames are the files that a cpuset's lists have gone by, the effective
// ones first.
var cpusetNames = [][2]string{
	{"cpuset.cpus.effective", "cpuset.mems.effective"}, // cgroup v2
	{"cpuset.effective_cpus", "cpuset.effective_mems"}, // v1
	{"cpuset.cpus", "cpuset.mems"},
	{"cpus", "mems"}, // a cpuset filesystem, or v1 mounted noprefix
}

// cpuset reads the nearest cpuset above this process that the tree holds.
func (r *reader) cpuset() (cpus, mems *List) {
	for _, at := range r.cpusetDirs() {
		for dir := path.Clean("/" + at.group); ; dir = path.Dir(dir) {
			full := strings.TrimPrefix(path.Join(at.mount, dir), "/")
			for _, names := range cpusetNames {
				cpus, mems = r.optional(full+"/"+names[0]), r.optional(full+"/"+names[1])
				if cpus != nil && len(*cpus) > 0 || mems != nil && len(*mems) > 0 {
					return cpus, mems
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return nil, nil
}

// cgroupDir is a cgroup and where its hierarchy is mounted.
type cgroupDir struct{ mount, group string }

// cpusetDirs are the places where this process's cpuset may be described.
func (r *reader) cpusetDirs() (dirs []cgroupDir) {
	v1, v2, hasV1, hasV2 := r.cgroupPaths()
	mountsV1, mountsV2 := r.cpusetMounts()
	if hasV1 {
		for _, m := range append(mountsV1, "/sys/fs/cgroup/cpuset", "/dev/cpuset", "/cgroup") {
			dirs = append(dirs, cgroupDir{m, v1})
		}
	}
	if hasV2 {
		for _, m := range append(mountsV2, "/sys/fs/cgroup", "/sys/fs/cgroup/unified") {
			dirs = append(dirs, cgroupDir{m, v2})
		}
	}
	return dirs
}

// cgroupPaths is this process's group in the cpuset hierarchy and in v2.
func (r *reader) cgroupPaths() (v1, v2 string, hasV1, hasV2 bool) {
	text, _ := r.raw("proc/self/cgroup")
	for line := range strings.Lines(text) {
		fields := strings.SplitN(trimmed(line), ":", 3)
		switch {
		case len(fields) != 3:
		case fields[1] == "":
			v2, hasV2 = fields[2], true
		case strings.Contains(","+fields[1]+",", ",cpuset,"):
			v1, hasV1 = fields[2], true
		}
	}
	if own, ok := r.raw("proc/self/cpuset"); ok && !hasV1 {
		v1, hasV1 = trimmed(own), true
		if !hasV2 {
			v2, hasV2 = v1, true
		}
	}
	return v1, v2, hasV1, hasV2
}

// cpusetMounts are the mount points of cpuset hierarchies, and of cgroup v2.
func (r *reader) cpusetMounts() (v1, v2 []string) {
	text, _ := r.raw("proc/mounts")
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		mount := path.Clean(f[1])
		if !fs.ValidPath(strings.TrimPrefix(mount, "/")) {
			continue
		}
		switch {
		case f[2] == "cpuset", f[2] == "cgroup" && strings.Contains(","+f[3]+",", ",cpuset,"):
			v1 = append(v1, mount)
		case f[2] == "cgroup2":
			v2 = append(v2, mount)
		}
	}
	return v1, v2
}
