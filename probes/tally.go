package probes

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// tally is what the kernel has counted until now, by CPU. A nil map or a missing
// entry is a counter that this kernel does not show.
type tally struct {
	interrupts map[string]map[int]int64 // by name; the device's where there is one
	softirqs   map[string]map[int]int64
	stealTicks map[int]int64 // of /proc/stat, 1/100 s as a rule
	throttled  map[int]int64 // thermal events of the core
	curKHz     map[int]int64
}

// readTally reads the counters of the CPUs given.
func readTally(root fs.FS, cpus []int) tally {
	t := tally{stealTicks: map[int]int64{}, throttled: map[int]int64{}, curKHz: map[int]int64{}}
	t.interrupts = parseCounters(readText(root, "proc/interrupts"))
	t.softirqs = parseCounters(readText(root, "proc/softirqs"))
	steal := parseSteal(readText(root, "proc/stat"))
	for _, c := range cpus {
		if v, ok := steal[c]; ok {
			t.stealTicks[c] = v
		}
		dir := "sys/devices/system/cpu/cpu" + strconv.Itoa(c)
		if v, ok := readInteger(root, dir+"/thermal_throttle/core_throttle_count"); ok {
			t.throttled[c] = v
		}
		if v, ok := readInteger(root, dir+"/cpufreq/scaling_cur_freq"); ok {
			t.curKHz[c] = v
		}
	}
	return t
}

func readText(root fs.FS, file string) string {
	text, _ := fs.ReadFile(root, file)
	return string(text)
}

func readInteger(root fs.FS, file string) (int64, bool) {
	v, err := strconv.ParseInt(strings.TrimSpace(readText(root, file)), 10, 64)
	return v, err == nil
}

// parseCounters reads the form of /proc/interrupts and /proc/softirqs: a head of
// CPUn, then rows of a name, a count a CPU, and words of which the last names
// the device. Rows without a count for each CPU are left out.
func parseCounters(text string) map[string]map[int]int64 {
	head, rows, found := strings.Cut(text, "\n")
	if !found {
		return nil
	}
	var cpus []int
	for _, f := range strings.Fields(head) {
		c, err := strconv.Atoi(strings.TrimPrefix(f, "CPU"))
		if err != nil {
			return nil
		}
		cpus = append(cpus, c)
	}
	counters := map[string]map[int]int64{}
	for row := range strings.Lines(rows) {
		name, rest, found := strings.Cut(row, ":")
		fields := strings.Fields(rest)
		if !found || len(fields) < len(cpus) {
			continue
		}
		counts, good := map[int]int64{}, true
		for i, c := range cpus {
			v, err := strconv.ParseInt(fields[i], 10, 64)
			counts[c], good = v, good && err == nil
		}
		if name = rowName(strings.TrimSpace(name), fields[len(cpus):]); good {
			counters[name] = counts
		}
	}
	return counters
}

// rowName is the device of a numbered interrupt, with its number, or the
// kernel's short name with what it stands for.
func rowName(name string, words []string) string {
	if len(words) == 0 {
		return name
	}
	if _, err := strconv.Atoi(name); err == nil {
		return words[len(words)-1] + " (" + name + ")"
	}
	return name + " (" + strings.Join(words, " ") + ")"
}

// parseSteal reads the steal column of each CPU's row of /proc/stat.
func parseSteal(text string) map[int]int64 {
	steal := map[int]int64{}
	for row := range strings.Lines(text) {
		fields := strings.Fields(row)
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		c, err := strconv.Atoi(fields[0][len("cpu"):])
		v, err2 := strconv.ParseInt(fields[8], 10, 64)
		if err == nil && err2 == nil {
			steal[c] = v
		}
	}
	return steal
}

// rose lists the counters of one CPU that grew, by how much.
func rose(before, after map[string]map[int]int64, c int) map[string]int64 {
	grown := map[string]int64{}
	for name, counts := range after {
		if d := counts[c] - before[name][c]; d > 0 {
			grown[name] = d
		}
	}
	return grown
}

// Neighbour is a thread that ran on a measured CPU meanwhile.
type Neighbour struct {
	Process int    `json:"process"`
	Thread  int    `json:"thread"`
	Name    string `json:"name"`
	RanNs   int64  `json:"ran_ns"` // by its own account, on whichever CPU
}

// taskState is what one thread has used until now, and where it ran last.
type taskState struct {
	process, cpu int
	name         string
	ranNs        int64
}

// readTasks reads every thread below proc; those that end meanwhile are left out.
func readTasks(root fs.FS) map[int]taskState {
	tasks := map[int]taskState{}
	processes, _ := fs.ReadDir(root, "proc")
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		dir := path.Join("proc", p.Name(), "task")
		threads, _ := fs.ReadDir(root, dir)
		for _, th := range threads {
			tid, err := strconv.Atoi(th.Name())
			if err != nil {
				continue
			}
			if s, ok := readTask(root, path.Join(dir, th.Name())); ok {
				s.process = pid
				tasks[tid] = s
			}
		}
	}
	return tasks
}

// readTask reads one thread's stat, whose second field is a name in brackets
// that may hold anything, and its schedstat.
func readTask(root fs.FS, dir string) (s taskState, ok bool) {
	stat := readText(root, dir+"/stat")
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return s, false
	}
	fields := strings.Fields(stat[end+1:])
	const processorField = 36 // counted from the state, which follows the name
	if len(fields) <= processorField {
		return s, false
	}
	s.name = stat[open+1 : end]
	s.cpu, _ = strconv.Atoi(fields[processorField])
	ran, _, _ := strings.Cut(readText(root, dir+"/schedstat"), " ")
	s.ranNs, _ = strconv.ParseInt(ran, 10, 64)
	return s, true
}
