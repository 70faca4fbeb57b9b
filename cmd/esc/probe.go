package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
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

// rootOf opens what --root names.
func rootOf(name string) (fs.FS, error) {
	if name == "" {
		return topology.Root("/"), nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, usage("--root %s: %v", name, errors.Unwrap(err))
	}
	if info.IsDir() {
		return topology.Root(name), nil
	}
	root, err := topology.OpenCaptured(name)
	if err != nil {
		return nil, usage("--root: %v", err)
	}
	return root, nil
}

// readMachine reads the topology; what is wrong with a --root is the caller's.
func (f probeFlags) readMachine() (fs.FS, *topology.Topology, error) {
	root, err := rootOf(f.root)
	if err != nil {
		return nil, nil, err
	}
	t, err := topology.Read(root)
	switch {
	case err != nil && f.root != "":
		return nil, nil, usage("--root %s: %v", f.root, err)
	case err != nil:
		return nil, nil, exit(exitUnmeasured, err)
	}
	return root, t, nil
}

// chosen are the CPUs to measure on.
func (f probeFlags) chosen(t *topology.Topology) (topology.List, error) {
	if f.cpus == "" {
		return t.Usable(), nil
	}
	cpus, err := topology.ParseList(f.cpus)
	if err == nil {
		err = t.Check(cpus)
	}
	if err != nil {
		return nil, usage("--cpus %s: %v", f.cpus, err)
	}
	return cpus, nil
}

// session prepares to measure on this machine.
func (f probeFlags) session(c *cobra.Command) (*probes.Session, error) {
	f.root = ""
	root, t, err := f.readMachine()
	if err != nil {
		return nil, err
	}
	cpus, err := f.chosen(t)
	if err != nil {
		return nil, err
	}
	clock, err := cpu.Calibrate()
	if err != nil {
		return nil, exit(exitUnfit, err)
	}
	dir := f.dir
	if dir == "" {
		dir = "."
	}
	for name, file := range map[string]string{"--dir": filepath.Join(dir, "x"), "--csv": f.csv, "--svg": f.svg} {
		if err := folderOf(file); err != nil {
			return nil, usage("%s: %v", name, err)
		}
	}
	s := &probes.Session{Clock: clock, Root: root, Topology: t, CPUs: cpus, Dir: dir, Full: f.full, Jitter: f.duration}
	if !f.quiet {
		s.Progress = progressTo(c.ErrOrStderr())
	}
	return s, nil
}

// progressTo writes a line before each part and, in long ones, some on the way.
func progressTo(w io.Writer) func(part string, done, of int) {
	var last time.Time
	return func(part string, done, of int) {
		switch {
		case done == 0:
			fmt.Fprintf(w, "measuring %s\n", part)
		case done < of && time.Since(last) > 2*time.Second:
			fmt.Fprintf(w, "measuring %s: %d of %d\n", part, done, of)
		default:
			return
		}
		last = time.Now()
	}
}

func probeTopology(c *cobra.Command, f probeFlags) error {
	if f.cpus != "" {
		return usage("--cpus %s: the topology is of all CPUs", f.cpus)
	}
	_, t, err := f.readMachine()
	if err != nil {
		return err
	}
	if f.svg != "" {
		if err := writeFile(f.svg, func(w io.Writer) error { return drawTopology(w, t) }); err != nil {
			return err
		}
	}
	if f.json {
		return printJSON(c, t)
	}
	var facts []probes.Fact
	if f.root == "" {
		facts = probes.CrossCheck(t)
	}
	return topologyText(c.OutOrStdout(), t, facts)
}

func probeDoctor(c *cobra.Command, f probeFlags) error {
	var fitness probes.Fitness
	if f.root != "" {
		root, t, err := f.readMachine()
		if err != nil {
			return err
		}
		cpus, err := f.chosen(t)
		if err != nil {
			return err
		}
		fitness = probes.CheckFitness(root, cpus)
	} else {
		s, err := f.session(c)
		if err != nil {
			return err
		}
		survey, err := s.Take(c.Context(), "doctor")
		if err != nil {
			return exit(exitUnmeasured, err)
		}
		fitness = *survey.Fitness
	}
	if err := showAs(c, f, fitness, func(w io.Writer) error { return fitnessText(w, fitness) }); err != nil {
		return err
	}
	if f.strict && fitness.Verdict == probes.UNFIT {
		return exit(exitUnfit, fmt.Errorf("this host is UNFIT: %s", fitness.Reasons()[0]))
	}
	return nil
}

// showAs prints JSON or text.
func showAs(c *cobra.Command, f probeFlags, value any, text func(io.Writer) error) error {
	if f.json {
		return printJSON(c, value)
	}
	return text(c.OutOrStdout())
}

func printJSON(c *cobra.Command, value any) error {
	e := json.NewEncoder(c.OutOrStdout())
	e.SetIndent("", " ")
	return e.Encode(value)
}

func probeJitter(c *cobra.Command, f probeFlags) error {
	if f.duration <= 0 || f.duration > time.Hour {
		return usage("--duration %v: from 1ms to 1h", f.duration)
	}
	s, err := f.session(c)
	if err != nil {
		return err
	}
	if !f.noCalm {
		s.Calm = calm(c, s.CPUs, f.duration)
	}
	survey, err := s.Take(c.Context(), "jitter")
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	return showAs(c, f, survey, func(w io.Writer) error { return jitterText(w, survey) })
}

// calm measures jitter in a second process, without the runtime's pre-emption.
func calm(c *cobra.Command, cpus topology.List, duration time.Duration) func() ([]probes.Jitter, error) {
	return func() ([]probes.Jitter, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		run := exec.CommandContext(c.Context(), self, "probe", "jitter", "--once", "--json", "--quiet", "--cpus", cpus.String(), "--duration", duration.String())
		debug := strings.TrimPrefix(os.Getenv("GODEBUG")+",asyncpreemptoff=1", ",")
		run.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "GODEBUG=") }), "GODEBUG="+debug)
		out, err := run.Output()
		if err != nil {
			return nil, fmt.Errorf("the second process: %w", err)
		}
		var survey probes.Survey
		if err := json.Unmarshal(out, &survey); err != nil {
			return nil, fmt.Errorf("what the second process printed: %w", err)
		}
		return survey.Jitter, nil
	}
}

func probePart(c *cobra.Command, f probeFlags, name string) error {
	s, err := f.session(c)
	if err != nil {
		return err
	}
	survey, err := s.Take(c.Context(), name)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	if err := f.writeExtras(survey, s.Topology); err != nil {
		return err
	}
	if err := showAs(c, f, survey, func(w io.Writer) error { return surveyText(w, survey, s.Topology) }); err != nil {
		return err
	}
	if measured := survey.Measured(); !measured && len(survey.Missing) > 0 {
		return exit(exitUnmeasured, errors.New(survey.Missing[0]))
	}
	return nil
}

func probeAll(c *cobra.Command, f probeFlags) error {
	s, err := f.session(c)
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return usage("--out %s: %v", f.out, err)
		}
	}
	s.Calm = calm(c, s.CPUs, jitterInAll)
	s.Jitter = jitterInAll
	survey, err := s.Take(c.Context(), probes.Parts()...)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	survey.Topology = s.Topology
	if f.out != "" {
		if err := writeSurvey(f.out, survey); err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", f.out)
	}
	if err := showAs(c, f, survey, func(w io.Writer) error { return surveyText(w, survey, s.Topology) }); err != nil {
		return err
	}
	if c.Context().Err() != nil {
		return exit(exitInterrupted, errors.New("interrupted: the survey is partial"))
	}
	return nil
}

// jitterInAll is how long esc probe all spins, twice.
const jitterInAll = 5 * time.Second
