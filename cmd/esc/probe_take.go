package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/survey"
)

func probeTopology(c *cobra.Command, f probeFlags) error {
	if f.cpus != "" {
		return usage("--cpus %s: the topology is of all CPUs", f.cpus)
	}
	_, t, err := f.readMachine()
	if err != nil {
		return err
	}
	v := probes.Survey{Topology: t}
	if err := f.writeExtras(v, "topology"); err != nil {
		return err
	}
	if f.root == "" && !f.json {
		v.Facts = probes.CrossCheck(t)
	}
	return f.show(c, t, v)
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
		v, err := s.Take(c.Context(), "doctor")
		if err != nil {
			return exit(exitUnmeasured, err)
		}
		fitness = *v.Fitness
	}
	if err := f.show(c, fitness, probes.Survey{Fitness: &fitness}); err != nil {
		return err
	}
	if f.strict && fitness.Verdict == probes.UNFIT {
		return exit(exitUnfit, fmt.Errorf("this host is UNFIT: %s", fitness.Reasons()[0]))
	}
	return nil
}

// show prints a value as JSON, or else the text of the survey that it is of.
func (f probeFlags) show(c *cobra.Command, value any, v probes.Survey) error {
	if f.json {
		return printJSON(c, value)
	}
	return survey.Text(c.OutOrStdout(), v)
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
	return takePart(c, f, s, "jitter")
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
		var v probes.Survey
		if err := json.Unmarshal(out, &v); err != nil {
			return nil, fmt.Errorf("what the second process printed: %w", err)
		}
		return v.Jitter, nil
	}
}

func probePart(c *cobra.Command, f probeFlags, name string) error {
	s, err := f.session(c)
	if err != nil {
		return err
	}
	return takePart(c, f, s, name)
}

// takePart measures one part, writes the files that are wanted of it and shows it.
func takePart(c *cobra.Command, f probeFlags, s *probes.Session, name string) error {
	v, err := s.Take(c.Context(), name)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	drawn := v
	drawn.Topology = s.Topology
	if err := f.writeExtras(drawn, name); err != nil {
		return err
	}
	if err := f.show(c, v, v); err != nil {
		return err
	}
	if !v.Measured() && len(v.Missing) > 0 {
		return exit(exitUnmeasured, errors.New(v.Missing[0]))
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
	v, err := s.Take(c.Context(), probes.Parts()...)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	v.Topology = s.Topology
	if f.out != "" {
		for _, file := range survey.Files(v) {
			if err := writeFile(filepath.Join(f.out, file.Name), file.Write); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", f.out)
	}
	if err := f.show(c, v, v); err != nil {
		return err
	}
	if c.Context().Err() != nil {
		return exit(exitInterrupted, errors.New("interrupted: the survey is partial"))
	}
	return nil
}

// jitterInAll is how long esc probe all spins, twice.
const jitterInAll = 5 * time.Second

// writeExtras writes what --csv and --svg ask for, where the part was measured.
func (f probeFlags) writeExtras(v probes.Survey, part string) error {
	wanted := map[string]string{part + ".csv": f.csv, part + ".svg": f.svg}
	for _, file := range survey.Files(v) {
		if name := wanted[file.Name]; name != "" {
			if err := writeFile(name, file.Write); err != nil {
				return err
			}
		}
	}
	return nil
}

// folderOf wants the folder of a file to be there: to find out after a measurement
// that it is not costs the measurement.
func folderOf(file string) error {
	if file == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", filepath.Dir(file))
	}
	return err
}

// writeFile makes one file; its errors name it.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return usage("%v", err)
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
