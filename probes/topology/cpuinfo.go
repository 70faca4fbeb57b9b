package topology

import (
	"slices"
	"strings"
)

// processor is one block of /proc/cpuinfo.
type processor struct {
	number     int
	physicalID *int
	coreID     *int
}

// processors reads /proc/cpuinfo: what there is to know where sys is missing.
func (r *reader) processors() (list []processor) {
	text, _ := r.raw("proc/cpuinfo")
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if digits, old := strings.CutPrefix(key, "processor "); old { // s390: "processor 0: version = .."
			key, value = "processor", strings.TrimSpace(digits)
		}
		n, err := parseNumber(value)
		if !found || err != nil {
			continue
		}
		switch {
		case key == "processor":
			list = append(list, processor{number: n})
		case len(list) == 0:
		case key == "physical id":
			list[len(list)-1].physicalID = &n
		case key == "core id":
			list[len(list)-1].coreID = &n
		}
	}
	slices.SortStableFunc(list, func(a, b processor) int { return a.number - b.number })
	return slices.CompactFunc(list, func(a, b processor) bool { return a.number == b.number })
}

// fromCPUInfo fills in the CPUs, packages and cores that /proc/cpuinfo names; it
// reports whether there were any.
func (r *reader) fromCPUInfo(t *Topology) bool {
	list := r.processors()
	if len(list) == 0 {
		return false
	}
	r.doubt("there is no %s: CPUs are those of /proc/cpuinfo, and nothing is known of caches", cpuRoot)
	r.packages, r.cores = map[int]shared{}, map[int]shared{}
	for _, p := range list {
		t.Online = append(t.Online, p.number)
		r.packages[p.number], r.cores[p.number] = shared{id: p.physicalID}, shared{id: p.coreID}
	}
	t.CPUDirs, t.Offline = t.Online, List{}
	return true
}
