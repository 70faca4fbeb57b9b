package probes

import (
	"testing"
	"testing/fstest"
)

// counting is a machine of two CPUs at one moment.
func counting(timer, net, steal, throttled, quota string) fstest.MapFS {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"proc/interrupts":  text("  CPU0 CPU1\nLOC: 100 " + timer + " Local timer interrupts\n24: 7 7 IO-APIC eth0\n"),
		"proc/softirqs":    text("  CPU0 CPU1\nNET_RX: 5 " + net + "\n"),
		"proc/stat":        text("cpu 0 0 0 0 0 0 0 9\ncpu0 0 0 0 0 0 0 0 4\ncpu1 0 0 0 0 0 0 0 " + steal + "\n"),
		"proc/self/cgroup": text("0::/a\n"),
		"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": text(throttled),
		"sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq":             text("2500000"),
		"sys/fs/cgroup/a/cpu.stat":                                         text("nr_periods 9\nnr_throttled " + quota + "\n"),
		"sys/fs/cgroup/cpu.stat":                                           text("usage_usec 1\n"),
	}
}

func TestWhatCameBetween(t *testing.T) {
	before := ReadCounts(counting("10", "5", "3", "1", "2"), []int{1})
	after := ReadCounts(counting("17", "6", "5", "4", "9"), []int{1})
	d := after.Since(before)
	if len(d) != 1 || d[0].CPU != 1 {
		t.Fatalf("%+v", d)
	}
	if got := d[0]; len(got.Interrupts) != 1 || got.Interrupts["LOC (Local timer interrupts)"] != 7 || got.SoftIRQs["NET_RX"] != 1 {
		t.Errorf("interrupts %v, softirqs %v", got.Interrupts, got.SoftIRQs)
	}
	if got := d[0]; got.StealNs == nil || *got.StealNs != 2*tickNs || got.Throttled == nil || *got.Throttled != 3 || got.KHz == nil || *got.KHz != 2_500_000 {
		t.Errorf("%+v", got)
	}
	if n := after.QuotaSince(before); n == nil || *n != 7 {
		t.Errorf("quota: %v", n)
	}
	bare := ReadCounts(fstest.MapFS{}, []int{0})
	if d := bare.Since(bare)[0]; d.StealNs != nil || d.Throttled != nil || d.KHz != nil || bare.QuotaSince(bare) != nil {
		t.Errorf("what no kernel counts is counted: %+v", d)
	}
}
