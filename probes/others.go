package probes

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Busy is how long some CPUs had run, by the kernel's count until then, in ticks of
// /proc/stat: on whose behalf, interrupts apart, and this process's own part in it,
// that of the children that it has waited for included.
type Busy struct {
	ran, own int64
	passed   int64 // of all the CPUs together, idle or not
	cpus     int
}

// ReadBusy reads it; what cannot be read is 0.
func ReadBusy(root fs.FS, cpus []int) (b Busy) {
	of := map[string]bool{}
	for _, c := range cpus {
		of["cpu"+strconv.Itoa(c)] = true
	}
	for row := range strings.Lines(readText(root, "proc/stat")) {
		name, rest, _ := strings.Cut(row, " ")
		ticks := integers(rest)
		if !of[name] || len(ticks) < statSteal+1 {
			continue
		}
		b.cpus++
		b.ran += ticks[0] + ticks[1] + ticks[2] // user, nice, system
		for _, t := range ticks[:statSteal+1] {
			b.passed += t
		}
	}
	text := readText(root, "proc/self/stat")
	own := integers(text[strings.LastIndexByte(text, ')')+1:]) // behind the name, which may hold anything
	if len(own) > statOwn+3 {
		b.own = own[statOwn] + own[statOwn+1] + own[statOwn+2] + own[statOwn+3]
	}
	return b
}

// Columns of a CPU's row in /proc/stat, and of /proc/self/stat behind the name: utime,
// stime, cutime, cstime, as proc(5) has them.
const (
	statSteal = 7
	statOwn   = 11
)

// integers are the numbers of a row, 0 for a word that is none.
func integers(row string) (all []int64) {
	for word := range strings.FieldsSeq(row) {
		n, _ := strconv.ParseInt(word, 10, 64) // 0: the state, a letter
		all = append(all, n)
	}
	return all
}

// othersWarn is the share of a CPU over a whole run that is a warning. It is more than
// loadWarn, for the kernel's threads that write and sync for this process count as
// others here.
const othersWarn = 0.05

// CheckOthers says who else had the CPUs between two readings: a look of a moment,
// before a run, tells nothing of a neighbour that comes later.
func CheckOthers(before, after Busy) Check {
	c := Check{Name: "others in the run", Source: "/proc/stat, /proc/self/stat", Verdict: OK,
		Why: "whoever ran meanwhile is in some of the figures", Mend: "stop other work on this machine, and measure again"}
	passed := float64(after.passed-before.passed) / float64(max(after.cpus, 1))
	if after.cpus == 0 || after.own == 0 || passed <= 0 {
		c.Verdict, c.Value = Unknown, "the kernel does not say"
		return c
	}
	share := max(0, float64(after.ran-before.ran-(after.own-before.own))/passed)
	c.Value = fmt.Sprintf("%.1f %% of a CPU, of %d", share*100, after.cpus)
	if share > othersWarn {
		c.Verdict = Warn
	}
	return c
}
