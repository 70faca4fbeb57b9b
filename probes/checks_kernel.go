package probes

import (
	"strconv"
	"strings"
)

// off judges a switch that should read 0.
func (m machine) off(c Check, file string) Check {
	c.Source = "/" + file
	value, err := m.read(file)
	if err != nil {
		return m.absent(c, err, file)
	}
	c.Verdict, c.Value = OK, value
	if value != "0" {
		c.Verdict = Warn
		c.Mend, c.Undo = "echo 0 > /"+file, "echo "+value+" > /"+file
	}
	return c
}

func checkWatchdog(m machine) Check {
	return m.off(Check{Name: "nmi_watchdog", Why: "an NMI a CPU every few seconds, and one hardware counter taken"}, "proc/sys/kernel/nmi_watchdog")
}

func checkBalancing(m machine) Check {
	return m.off(Check{Name: "numa_balancing", Why: "it unmaps pages to see who faults, and moves them"}, "proc/sys/kernel/numa_balancing")
}

func checkSamePages(m machine) Check {
	return m.off(Check{Name: "same-page merging", Why: "it scans memory and makes equal pages read-only"}, "sys/kernel/mm/ksm/run")
}

func checkTHP(m machine) Check {
	const file = "sys/kernel/mm/transparent_hugepage/enabled"
	c := Check{Name: "transparent huge pages", Source: "/" + file, Why: "with always, the kernel compacts and copies memory when it likes",
		Mend: "echo madvise > /" + file}
	value, err := m.read(file)
	if err != nil {
		return m.absent(c, err, file)
	}
	_, chosen, found := strings.Cut(value, "[")
	chosen, _, closed := strings.Cut(chosen, "]")
	if !found || !closed {
		c.Verdict, c.Value = Unknown, "not understood: "+strconv.Quote(value)
		return c
	}
	c.Value, c.Verdict, c.Undo = chosen, OK, "echo "+chosen+" > /"+file
	if chosen == "always" {
		c.Verdict = Warn
	}
	return c
}

// checkRealtime is about threads of a realtime class, which serve may be given.
func checkRealtime(m machine) Check {
	const file = "proc/sys/kernel/sched_rt_runtime_us"
	c := Check{Name: "realtime throttling", Source: "/" + file, Why: "a spinner of a realtime class is stopped for 50 ms each second unless this is -1; the usual class is not touched"}
	value, err := m.read(file)
	if err != nil {
		return m.absent(c, err, file)
	}
	c.Verdict, c.Value = OK, value
	return c
}

func checkSwap(m machine) Check {
	c := Check{Name: "swap", Source: "/proc/swaps", Why: "a page that was swapped out costs milliseconds",
		Mend: "swapoff -a", Undo: "swapon -a"}
	text, err := m.read("proc/swaps")
	if err != nil {
		return m.absent(c, err, "proc/swaps")
	}
	areas := strings.Count(text, "\n")
	c.Verdict, c.Value = OK, "none"
	if areas > 0 {
		c.Verdict, c.Value = Warn, strconv.Itoa(areas)+" area(s)"
	}
	return c
}

// lockedMin is what the default pools of the engine would need locked.
const lockedMin = 256 << 20

func checkLocked(m machine) Check {
	c := Check{Name: "locked memory", Source: "/proc/self/limits", Why: "memory that cannot be locked may be swapped out or moved",
		Mend: "ulimit -l unlimited"}
	text, err := m.read("proc/self/limits")
	if err != nil {
		return c.unread(err)
	}
	_, after, found := strings.Cut(text, "Max locked memory")
	fields := strings.Fields(after)
	if !found || len(fields) == 0 {
		c.Verdict, c.Value = Unknown, "not listed"
		return c
	}
	c.Verdict, c.Value, c.Undo = OK, fields[0], "ulimit -l "+fields[0]
	if bytes, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
		c.Value = strconv.FormatInt(bytes>>20, 10) + " MiB"
		c.Undo = "ulimit -l " + strconv.FormatInt(bytes>>10, 10)
		if bytes < lockedMin {
			c.Verdict = Warn
		}
	}
	return c
}
