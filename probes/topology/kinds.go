package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// build is what tells one kind of core from another.
type build struct {
	maxKHz, baseKHz, capacity int // 0 is unknown
	coreType                  string
}

// turboSpread is by how much, relative to the least, the maximum frequencies of
// CPUs of one base frequency may differ and still be one kind: some cores of
// one build are allowed a higher boost than others.
const turboSpread = 0.1

// readKinds groups the CPUs of which the kernel says something by what it says.
func (r *reader) readKinds(t *Topology) {
	builds := r.builds(t.Online)
	evenOut(builds)
	cpus := map[build]List{}
	for i, c := range t.Online {
		if builds[i] != (build{}) {
			cpus[builds[i]] = append(cpus[builds[i]], c)
		}
	}
	order := make([]build, 0, len(cpus))
	for b := range cpus {
		order = append(order, b)
	}
	slices.SortFunc(order, func(a, b build) int {
		return cmp.Or(cmp.Compare(a.capacity, b.capacity), cmp.Compare(a.baseKHz, b.baseKHz), cmp.Compare(a.maxKHz, b.maxKHz), cmp.Compare(a.coreType, b.coreType))
	})
	t.Kinds = make([]Kind, 0, len(order))
	for _, b := range order {
		t.Kinds = append(t.Kinds, Kind{CPUs: cpus[b], Info: b.info()})
	}
}

func (r *reader) builds(online List) []build {
	builds := make([]build, len(online))
	value := func(path string) int {
		if n := r.positive(path); n != nil {
			return *n
		}
		return 0
	}
	each(len(online), func(i int) {
		dir := fmt.Sprintf("%s/cpu%d/", cpuRoot, online[i])
		builds[i].maxKHz = value(dir + "cpufreq/cpuinfo_max_freq")
		builds[i].baseKHz = cmp.Or(value(dir+"cpufreq/base_frequency"), 1000*value(dir+"acpi_cppc/nominal_freq"))
		builds[i].capacity = value(dir + "cpu_capacity")
	})
	for file, name := range map[string]string{"sys/devices/cpu_core/cpus": "IntelCore", "sys/devices/cpu_atom/cpus": "IntelAtom"} {
		list, _ := r.list(file)
		for i, c := range online {
			if list.Has(c) {
				builds[i].coreType = name
			}
		}
	}
	return builds
}

// evenOut gives CPUs of one base frequency the least of their maxima, where
// these lie within turboSpread of each other.
func evenOut(builds []build) {
	least, most := map[int]int{}, map[int]int{}
	for _, b := range builds {
		if b.baseKHz == 0 {
			return // the base tells builds apart only where all have one
		}
		if low, known := least[b.baseKHz]; !known || b.maxKHz < low {
			least[b.baseKHz] = b.maxKHz
		}
		most[b.baseKHz] = max(most[b.baseKHz], b.maxKHz)
	}
	for i, b := range builds {
		low := least[b.baseKHz]
		if float64(most[b.baseKHz]-low) <= turboSpread*float64(low) {
			builds[i].maxKHz = low
		}
	}
}

func (b build) info() map[string]string {
	info := map[string]string{}
	if b.maxKHz > 0 {
		info["FrequencyMaxMHz"] = strconv.Itoa(b.maxKHz / 1000)
	}
	if b.baseKHz > 0 {
		info["FrequencyBaseMHz"] = strconv.Itoa(b.baseKHz / 1000)
	}
	if b.capacity > 0 {
		info["LinuxCapacity"] = strconv.Itoa(b.capacity)
	}
	if b.coreType != "" {
		info["CoreType"] = b.coreType
	}
	return info
}
