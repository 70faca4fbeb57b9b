package probes

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

const cpuDir = "sys/devices/system/cpu"

// onEach reads one file of each CPU's folder and stops at the first of which
// judge says other than OK.
func (m machine) onEach(c Check, file string, judge func(value string) Verdict) Check {
	for _, n := range m.cpus {
		value, err := m.read(fmt.Sprintf("%s/cpu%d/%s", cpuDir, n, file))
		if err != nil {
			return c.unread(err)
		}
		c.Value, c.Verdict = value, judge(value)
		if c.Verdict != OK {
			c.Value += fmt.Sprintf(" (CPU %d)", n)
			return c
		}
	}
	return c
}

func checkDriver(m machine) Check {
	c := Check{Name: "frequency driver", Source: "/" + cpuDir + "/cpu*/cpufreq/scaling_driver", Why: "who decides how fast the CPU runs; without one it is the firmware or the host"}
	return m.onEach(c, "cpufreq/scaling_driver", func(string) Verdict { return OK })
}

func checkGovernor(m machine) Check {
	c := Check{Name: "governor", Source: "/" + cpuDir + "/cpu*/cpufreq/scaling_governor", Why: "a CPU that follows its load is slow just after it idled",
		Mend: "scripts/tune.sh governor", Undo: "scripts/tune.sh --undo governor"}
	return m.onEach(c, "cpufreq/scaling_governor", func(value string) Verdict {
		if value == "performance" {
			return OK
		}
		return Warn
	})
}

func checkBoost(m machine) Check {
	c := Check{Name: "boost", Source: "/" + cpuDir + "/cpufreq/boost, intel_pstate/no_turbo", Why: "a boosted clock falls as neighbours wake, so two runs differ",
		Mend: "scripts/tune.sh boost", Undo: "scripts/tune.sh --undo boost"}
	for _, way := range []struct{ file, off string }{{cpuDir + "/cpufreq/boost", "0"}, {cpuDir + "/intel_pstate/no_turbo", "1"}} {
		value, err := m.read(way.file)
		if err != nil {
			continue
		}
		c.Source, c.Verdict, c.Value = "/"+way.file, OK, "off"
		if value != way.off {
			c.Verdict, c.Value = Warn, "on"
		}
		return c
	}
	return c.unread(fs.ErrNotExist)
}

func checkThermal(m machine) Check {
	c := Check{Name: "thermal throttling", Source: "/" + cpuDir + "/cpu*/thermal_throttle/core_throttle_count", Why: "a CPU that is too hot runs at a fraction of its pace",
		Mend: "cool the machine, or lower its frequency"}
	c = m.onEach(c, "thermal_throttle/core_throttle_count", func(value string) Verdict {
		if value == "0" {
			return OK
		}
		return Warn
	})
	if c.Verdict == OK || c.Verdict == Warn {
		c.Value += " events since boot"
	}
	return c
}

// idleLatencyUs is the longest wake-up of an idle state that does not show in a
// figure of microseconds.
const idleLatencyUs = 2

func checkIdleStates(m machine) Check {
	c := Check{Name: "idle states", Source: "/" + cpuDir + "/cpu*/cpuidle/state*", Why: "a CPU asleep in a deep state takes up to 200 us to wake",
		Mend: "scripts/tune.sh cstates", Undo: "scripts/tune.sh --undo cstates"}
	if held, ok := m.heldLatency(); ok && held <= idleLatencyUs {
		c.Source, c.Verdict, c.Value = "/dev/cpu_dma_latency", OK, fmt.Sprintf("held at %d us", held)
		return c
	}
	c.Verdict, c.Value = Unknown, "not there"
	for _, n := range m.cpus {
		dir := fmt.Sprintf("%s/cpu%d/cpuidle", cpuDir, n)
		states, _ := fs.Glob(m.root, dir+"/state*")
		for _, state := range states {
			latency, err := m.read(state + "/latency")
			us, numberErr := strconv.Atoi(latency)
			if err != nil || numberErr != nil {
				continue
			}
			if disabled, err := m.read(state + "/disable"); err == nil && disabled == "1" {
				continue
			}
			if c.Verdict == Unknown {
				c.Verdict, c.Value = OK, "none over "+strconv.Itoa(idleLatencyUs)+" us"
			}
			if us > idleLatencyUs {
				name, _ := m.read(state + "/name")
				c.Verdict, c.Value = Warn, fmt.Sprintf("%s wakes in %d us (CPU %d)", name, us, n)
			}
		}
	}
	return c
}

// heldLatency is the longest wake-up in us that some program allows the idle
// states, by holding /dev/cpu_dma_latency open.
func (m machine) heldLatency() (us int32, ok bool) {
	value, err := fs.ReadFile(m.root, "dev/cpu_dma_latency")
	if err != nil || len(value) != 4 {
		return 0, false
	}
	return int32(binary.NativeEndian.Uint32(value)), true
}

// checkInterrupts looks for devices whose interrupts are sent to these CPUs.
func checkInterrupts(m machine) Check {
	c := Check{Name: "irq affinity", Source: "/proc/irq/*/effective_affinity_list", Why: "a device's interrupt stops a spinner for 1 to 50 us",
		Mend: "scripts/tune.sh irq --cpus " + joinCPUs(m.spare()), Undo: "scripts/tune.sh --undo irq"}
	entries, err := fs.ReadDir(m.root, "proc/irq")
	if err != nil {
		return c.unread(err)
	}
	var here []string
	readable := false
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		list, ok := m.list("proc/irq/" + e.Name() + "/effective_affinity_list")
		if !ok {
			list, ok = m.list("proc/irq/" + e.Name() + "/smp_affinity_list")
		}
		readable = readable || ok
		for _, n := range m.cpus {
			if list.Has(n) {
				here = append(here, e.Name())
				break
			}
		}
	}
	switch {
	case !readable:
		c.Verdict, c.Value = Unknown, "none readable"
	case len(here) > 0:
		c.Verdict, c.Value = Warn, fmt.Sprintf("%d may come to these CPUs: %s", len(here), strings.Join(here[:min(8, len(here))], " "))
	default:
		c.Verdict, c.Value = OK, "none comes to these CPUs"
	}
	return c
}

// spare are the CPUs without the first, where they are all that is online: an
// interrupt has to go somewhere.
func (m machine) spare() []int {
	online, ok := m.list(cpuDir + "/online")
	if ok && len(m.cpus) > 1 && len(online.Less(m.cpus)) == 0 {
		return m.cpus[1:]
	}
	return m.cpus
}

func joinCPUs(cpus []int) string {
	texts := make([]string, len(cpus))
	for i, c := range cpus {
		texts[i] = strconv.Itoa(c)
	}
	return strings.Join(texts, ",")
}

// checkBalancer looks for the daemon that moves interrupts about.
func checkBalancer(m machine) Check {
	c := Check{Name: "irqbalance", Source: "/proc/*/comm", Why: "it moves interrupts back to where they were taken from",
		Mend: "systemctl stop irqbalance", Undo: "systemctl start irqbalance"}
	processes, err := fs.ReadDir(m.root, "proc")
	if err != nil {
		return c.unread(err)
	}
	seen := false
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		name, err := m.read("proc/" + p.Name() + "/comm")
		seen = seen || err == nil
		if name == "irqbalance" {
			c.Verdict, c.Value = Warn, "runs as process "+p.Name()
			return c
		}
	}
	if !seen {
		c.Verdict, c.Value = Unknown, "no process can be seen"
		return c
	}
	c.Verdict, c.Value = OK, "does not run"
	return c
}
