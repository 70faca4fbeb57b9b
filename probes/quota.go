package probes

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// cgroups are the directories, below the root, from this process's cgroup up to
// the top, for the cpu controller of v1 or for v2.
func (m machine) cgroups(controller string) (dirs []string) {
	text, _ := m.read("proc/self/cgroup")
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount := "sys/fs/cgroup"
		switch {
		case fields[1] == "" && controller == "":
			if _, err := fs.Stat(m.root, mount+"/unified"); err == nil {
				mount += "/unified"
			}
		case controller != "" && strings.Contains(","+fields[1]+",", ","+controller+","):
			mount += "/" + controller
		default:
			continue
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			dirs = append(dirs, strings.TrimSuffix(mount+dir, "/"))
			if dir == "/" {
				break
			}
		}
	}
	return dirs
}

// throttlings is how often the cgroups above this process were throttled, by
// cpu.max, in all; nil where none counts it.
func (m machine) throttlings() (sum *int64) {
	for _, dir := range append(m.cgroups(""), m.cgroups("cpu")...) {
		text, err := m.read(dir + "/cpu.stat")
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(text, "nr_throttled ")
		number, _, _ := strings.Cut(after, "\n")
		if n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64); err == nil {
			if sum == nil {
				sum = new(int64)
			}
			*sum += n
		}
	}
	return sum
}

// quota is the least number of CPUs that a cgroup above this process grants.
func (m machine) quota() (cpus float64, source string, limited bool) {
	for _, dir := range m.cgroups("") {
		text, err := m.read(dir + "/cpu.max")
		if fields := strings.Fields(text); err == nil && len(fields) == 2 && fields[0] != "max" {
			if c := ratio(fields[0], fields[1]); !limited || c < cpus {
				cpus, source, limited = c, dir+"/cpu.max", true
			}
		}
	}
	for _, dir := range m.cgroups("cpu") {
		amount, err := m.read(dir + "/cpu.cfs_quota_us")
		if err != nil || strings.HasPrefix(amount, "-") {
			continue
		}
		period, _ := m.read(dir + "/cpu.cfs_period_us")
		if c := ratio(amount, period); !limited || c < cpus {
			cpus, source, limited = c, dir+"/cpu.cfs_quota_us", true
		}
	}
	return cpus, source, limited
}

func ratio(a, b string) float64 {
	x, _ := strconv.ParseFloat(a, 64)
	y, err := strconv.ParseFloat(b, 64)
	if err != nil || y == 0 {
		return 0
	}
	return x / y
}

func checkQuota(m machine) Check {
	c := Check{Name: "cpu quota", Source: "/proc/self/cgroup, cpu.max and cpu.cfs_quota_us", Verdict: OK, Value: "none",
		Why: "a cgroup that has used its quota is stopped for up to 100 ms", Mend: "run outside the container, or without a CPU limit"}
	if _, err := m.read("proc/self/cgroup"); err != nil {
		return m.absent(c, err, "proc/self/cgroup")
	}
	if quota, source, limited := m.quota(); limited {
		c.Source, c.Verdict, c.Value = "/"+source, Warn, fmt.Sprintf("%.4g CPUs", quota)
		if quota < float64(len(m.cpus)) {
			c.Verdict = Bad
		}
	}
	return c
}

func checkThrottled(m machine) Check {
	c := Check{Name: "throttled", Source: "cpu.stat of this process's cgroups", Verdict: OK, Value: "never recorded",
		Why: "the cgroup has been stopped for exceeding its quota", Mend: "run outside the container, or without a CPU limit"}
	if _, err := m.read("proc/self/cgroup"); err != nil {
		return m.absent(c, err, "proc/self/cgroup")
	}
	for _, dir := range append(m.cgroups(""), m.cgroups("cpu")...) {
		text, err := m.read(dir + "/cpu.stat")
		if err != nil {
			continue
		}
		_, after, found := strings.Cut(text, "nr_throttled ")
		count, _, _ := strings.Cut(after, "\n")
		if found && count != "0" {
			c.Source, c.Verdict, c.Value = "/"+dir+"/cpu.stat", Warn, count+" times since its start"
		}
	}
	return c
}
