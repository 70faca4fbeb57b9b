package main

import (
	"time"

	"github.com/spf13/cobra"
)

type probeFlags struct {
	cpus, root, dir, out, svg, csv    string
	json, quiet, strict, full, noCalm bool
	duration                          time.Duration
}

// probeParts are the parts of a survey that have a command of their own.
var probeParts = []struct{ name, short string }{
	{"clock", "What the clock resolves and drifts, and how the CPUs' counters stand to each other"},
	{"c2c", "What a cache line costs between every two CPUs"},
	{"memory", "Latency and bandwidth by working set: the cache curve"},
	{"atomics", "Atomic operations, alone and contended"},
	{"kernel", "System calls, page faults, huge pages, wake-ups"},
	{"net", "Loopback round trips, TCP and UDP, asleep and polling"},
	{"perf", "What the CPU's performance counters count, and what forbids them"},
	{"disk", "Writes, syncs and O_DIRECT on a filesystem"},
}

func newProbeCommand() *cobra.Command {
	var f probeFlags
	c := &cobra.Command{
		Use:   "probe WHAT",
		Short: "Find out what this machine is and what it costs: topology, floors, noise, fitness",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown probe %q: esc probe --help lists them", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	p := c.PersistentFlags()
	p.StringVar(&f.cpus, "cpus", "", "CPUs to measure on, as 0-3,8 (default: all that may be used)")
	p.BoolVar(&f.json, "json", false, "print JSON")
	p.BoolVar(&f.quiet, "quiet", false, "no progress on stderr")
	c.AddCommand(newTopologyProbe(&f), newDoctorProbe(&f), newJitterProbe(&f), newAllProbe(&f))
	for _, part := range probeParts {
		c.AddCommand(newPartProbe(&f, part.name, part.short))
	}
	return c
}

func newTopologyProbe(f *probeFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "topology",
		Short: "CPUs, cores, caches, nodes and what may be used of them",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return probeTopology(c, *f) },
	}
	c.Flags().StringVar(&f.root, "root", "", "folder, or .tar.gz, that holds another machine's sys and proc")
	c.Flags().StringVar(&f.svg, "svg", "", "file to draw the machine into")
	return c
}

func newDoctorProbe(f *probeFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Whether this machine's figures can be trusted, why not, and what mends it",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return probeDoctor(c, *f) },
	}
	c.Flags().BoolVar(&f.strict, "strict", false, "exit 4 when the host is UNFIT")
	c.Flags().StringVar(&f.dir, "dir", ".", "folder on the filesystem that is to hold the log")
	c.Flags().StringVar(&f.root, "root", "", "folder that holds another machine's sys and proc: only what files say is judged")
	return c
}

func newJitterProbe(f *probeFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "jitter",
		Short: "What each CPU loses while a thread spins on it, and to whom",
		Long: `Spin on each CPU at once and note every gap over 1 us, with its cause.

It is done twice: as Go programs run, and in a second process without the
runtime's pre-emption every 10 ms (GODEBUG=asyncpreemptoff=1), so that what Go
itself costs on this host is told from what the host costs.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return probeJitter(c, *f) },
	}
	c.Flags().DurationVar(&f.duration, "duration", 5*time.Second, "how long to spin, each time")
	c.Flags().BoolVar(&f.noCalm, "once", false, "only as Go programs run")
	return c
}

func newPartProbe(f *probeFlags, name, short string) *cobra.Command {
	c := &cobra.Command{
		Use: name, Short: short, Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return probePart(c, *f, name) },
	}
	switch name {
	case "c2c":
		c.Flags().BoolVar(&f.full, "full", false, "every pair, however many CPUs")
		c.Flags().StringVar(&f.csv, "csv", "", "file to write the matrix to")
		c.Flags().StringVar(&f.svg, "svg", "", "file to draw the matrix into")
	case "memory":
		c.Flags().StringVar(&f.csv, "csv", "", "file to write the curves to")
		c.Flags().StringVar(&f.svg, "svg", "", "file to draw the curves into")
	case "disk":
		c.Flags().StringVar(&f.dir, "dir", ".", "folder on the filesystem to measure")
	}
	return c
}

func newAllProbe(f *probeFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "all",
		Short: "All of it, into a folder: text, JSON, CSV and SVG",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return probeAll(c, *f) },
	}
	c.Flags().StringVar(&f.out, "out", "", "folder to write to (without it everything goes to stdout alone)")
	c.Flags().StringVar(&f.dir, "dir", ".", "folder on the filesystem to measure")
	c.Flags().BoolVar(&f.full, "full", false, "every pair of CPUs, however many")
	return c
}
