package probes

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"eventstreamcore/probes/topology"
)

// hostChecks are the facts read from files, in the order they are shown.
var hostChecks = []func(machine) Check{
	checkTSC, checkClocksource, checkHypervisor, checkSteal, checkPressure,
	checkDriver, checkGovernor, checkBoost, checkThermal, checkIdleStates,
	checkSibling, checkIsolated, checkNohz, checkInterrupts, checkBalancer,
	checkWatchdog, checkBalancing, checkTHP, checkSamePages, checkRealtime, checkSwap, checkLocked,
	checkQuota, checkThrottled,
}

// flags are the first CPU's, which /proc/cpuinfo calls flags on x86.
func (m machine) flags() []string {
	for line := range strings.Lines(m.cpuinfo) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "flags" {
			return strings.Fields(value)
		}
	}
	return nil
}

func checkTSC(m machine) Check {
	c := Check{Name: "tsc", Source: "/proc/cpuinfo", Why: "a counter that changes pace with the CPU, or stops with it, measures nothing"}
	if m.cpuinfoErr != nil {
		return c.unread(m.cpuinfoErr)
	}
	flags := m.flags()
	if flags == nil {
		c.Verdict, c.Value = Unknown, "no flags listed (not x86?)"
		return c
	}
	c.Verdict, c.Value = OK, "constant_tsc nonstop_tsc"
	for _, need := range []string{"constant_tsc", "nonstop_tsc"} {
		if !slices.Contains(flags, need) {
			c.Verdict, c.Value = Bad, "no "+need
		}
	}
	return c
}

func checkClocksource(m machine) Check {
	const path = "sys/devices/system/clocksource/clocksource0/current_clocksource"
	c := Check{Name: "clocksource", Source: "/" + path, Why: "the kernel leaves the tsc when it has caught it lying; reading another costs a system call or a trap",
		Mend: "echo tsc > /" + path}
	value, err := m.read(path)
	if err != nil {
		return c.unread(err)
	}
	c.Value, c.Verdict = value, OK
	if value != "tsc" && value != "arch_sys_counter" && value != "kvm-clock" {
		c.Verdict = Bad
	} else if value == "kvm-clock" {
		c.Verdict = Warn
	}
	c.Undo = "echo " + value + " > /" + path
	return c
}

// isGuest reports whether anything says that a hypervisor runs this machine.
func isGuest(root fs.FS) bool {
	m := machine{root: root}
	for _, file := range []string{"sys/hypervisor/type", "proc/device-tree/hypervisor/compatible"} {
		if kind, err := m.read(file); err == nil && kind != "" {
			return true
		}
	}
	m.cpuinfo, _ = m.read("proc/cpuinfo")
	return slices.Contains(m.flags(), "hypervisor")
}

func checkHypervisor(m machine) Check {
	c := Check{Name: "hypervisor", Source: "/proc/cpuinfo", Why: "a host takes time from its guests unasked, in gaps of 20 us to 10 ms",
		Mend: "measure on the bare machine"}
	if m.cpuinfoErr != nil {
		return c.unread(m.cpuinfoErr)
	}
	flags := m.flags()
	if flags == nil {
		c.Verdict, c.Value = Unknown, "no flags listed"
		return c
	}
	c.Verdict, c.Value = OK, "none"
	if slices.Contains(flags, "hypervisor") {
		c.Verdict, c.Value = Warn, "this is a guest"
	}
	return c
}

// stealWarn is the share of time since boot from which steal is a warning.
const stealWarn = 0.001

func checkSteal(m machine) Check {
	c := Check{Name: "steal", Source: "/proc/stat", Why: "time the host gave to others while this machine wanted to run",
		Mend: "ask for dedicated CPUs"}
	text, err := m.read("proc/stat")
	if err != nil {
		return c.unread(err)
	}
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		c.Verdict, c.Value = Unknown, "no steal column"
		return c
	}
	total, steal := 0.0, 0.0
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal; guest is within user
		v, _ := strconv.ParseFloat(f, 64)
		total += v
		if i == 7 {
			steal = v
		}
	}
	share := steal / max(total, 1)
	c.Verdict, c.Value = OK, fmt.Sprintf("%.2f %% since boot", share*100)
	if share > stealWarn {
		c.Verdict = Warn
	}
	return c
}

// pressureWarn is the share of the last 10 s, in percent, in which someone
// waited for a CPU.
const pressureWarn = 1.0

func checkPressure(m machine) Check {
	c := Check{Name: "cpu pressure", Source: "/proc/pressure/cpu", Why: "others are waiting for the CPUs that are to be measured",
		Mend: "stop other work on this machine"}
	text, err := m.read("proc/pressure/cpu")
	if err != nil {
		return c.unread(err)
	}
	_, after, found := strings.Cut(text, "avg10=")
	number, _, _ := strings.Cut(after, " ")
	share, err := strconv.ParseFloat(number, 64)
	if !found || err != nil {
		c.Verdict, c.Value = Unknown, "not understood"
		return c
	}
	c.Verdict, c.Value = OK, number+" % of the last 10 s"
	if share > pressureWarn {
		c.Verdict = Warn
	}
	return c
}

func checkSibling(m machine) Check {
	c := Check{Name: "smt siblings", Source: "/sys/devices/system/cpu/cpu*/topology/thread_siblings_list", Why: "whatever runs on the other thread of a core takes half of its ports and its L1",
		Mend: "scripts/tune.sh smt", Undo: "scripts/tune.sh --undo smt"}
	c = m.onEach(c, "topology/thread_siblings_list", func(value string) Verdict {
		siblings, err := topology.ParseList(value)
		switch {
		case err != nil:
			return Unknown
		case len(siblings) > 1:
			return Warn
		}
		return OK
	})
	if c.Verdict == OK {
		c.Value = "each alone on its core"
	}
	return c
}

// covers judges a list of CPUs that the kernel leaves alone.
func (m machine) covers(c Check, path string) Check {
	text, err := m.read(path)
	if err != nil {
		return c.unread(err)
	}
	list, err := topology.ParseList(text)
	if err != nil {
		return c.unread(err)
	}
	c.Verdict, c.Value = OK, list.String()
	for _, n := range m.cpus {
		if !list.Has(n) {
			c.Verdict, c.Value = Warn, fmt.Sprintf("%q, without CPU %d", list, n)
			return c
		}
	}
	return c
}

func checkIsolated(m machine) Check {
	return m.covers(Check{Name: "isolated", Source: "/sys/devices/system/cpu/isolated", Why: "on other CPUs the scheduler puts whatever it likes",
		Mend: "boot with isolcpus=managed_irq,domain,LIST", Undo: "boot without isolcpus="}, "sys/devices/system/cpu/isolated")
}

func checkNohz(m machine) Check {
	return m.covers(Check{Name: "nohz_full", Source: "/sys/devices/system/cpu/nohz_full", Why: "elsewhere a timer interrupts 100 to 1000 times a second",
		Mend: "boot with nohz_full=LIST rcu_nocbs=LIST", Undo: "boot without nohz_full= and rcu_nocbs="}, "sys/devices/system/cpu/nohz_full")
}
