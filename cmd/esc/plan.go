package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/probes/place"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/chart"
)

type planFlags struct {
	roles, root, matrix, cpus  string
	explain, json, quiet, full bool
	unmeasured                 bool
}

// planned is a plan and how its prediction held.
type planned struct {
	place.Plan
	Measured *comparison `json:"comparison,omitempty"`
}

// comparison holds the way round the plan's hot threads against what the plan
// would have predicted for it.
type comparison struct {
	Round       []int        `json:"round"` // CPUs, in the order of the data's way, and back
	PredictedNs float64      `json:"predicted_ns"`
	Measured    probes.Floor `json:"measured"`
}

func newPlanCommand() *cobra.Command {
	var f planFlags
	c := &cobra.Command{
		Use:   "plan",
		Short: "Place the engine's roles on CPUs and memory nodes",
		Long: `Place the engine's roles on CPUs and memory nodes, by the least predicted path
latency: what a cache line costs between every two CPUs is measured first (about
3 s), or taken by how near they are with --unmeasured, for another machine with
--root, or from a file of esc probe c2c --csv.

Roles: ` + roleNames() + `.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return plan(c, f) },
	}
	c.Flags().StringVar(&f.roles, "roles", "", "roles to place, separated by commas (default: all)")
	c.Flags().StringVar(&f.cpus, "cpus", "", "CPUs to place them on, as 0-3,8 (default: all that may be used)")
	c.Flags().StringVar(&f.root, "root", "", "folder, or .tar.gz, that holds another machine's sys and proc")
	c.Flags().StringVar(&f.matrix, "matrix", "", "CSV file of costs between CPUs to plan by")
	c.Flags().BoolVar(&f.explain, "explain", false, "say why each role is where it is")
	c.Flags().BoolVar(&f.unmeasured, "unmeasured", false, "measure nothing: plan by how near CPUs are")
	c.Flags().BoolVar(&f.full, "full", false, "measure every pair of CPUs, however many")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress on stderr")
	return c
}

func roleNames() string {
	names := []string{}
	for _, r := range place.Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

func (f planFlags) wanted() (roles []place.Role, err error) {
	if f.roles == "" {
		return place.Roles(), nil
	}
	for name := range strings.SplitSeq(f.roles, ",") {
		r, err := place.ParseRole(strings.TrimSpace(name))
		if err != nil {
			return nil, usage("--roles %s: %v", f.roles, err)
		}
		roles = append(roles, r)
	}
	return roles, nil
}

func plan(c *cobra.Command, f planFlags) error {
	roles, err := f.wanted()
	if err != nil {
		return err
	}
	_, t, err := probeFlags{root: f.root}.readMachine()
	if err != nil {
		return err
	}
	cpus, err := probeFlags{cpus: f.cpus}.chosen(t)
	if err != nil {
		return err
	}
	t.Allowed.CPUs, t.Affinity = cpus, nil
	costs, clock, err := f.costs(c, t, cpus)
	if err != nil {
		return err
	}
	p := planned{}
	if p.Plan, err = place.Choose(t, costs, roles); err != nil {
		return usage("%v", err)
	}
	if p.Measured, err = heldAgainst(clock, t, costs, p.Plan); err != nil {
		return exit(exitUnmeasured, err)
	}
	if f.json {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", " ")
		return e.Encode(p)
	}
	return planText(c.OutOrStdout(), p, f.explain)
}

// planBudget is how long the costs are measured.
const planBudget = 3 * time.Second

// costs are from a file, measured, or none; the clock is that of a measurement.
func (f planFlags) costs(c *cobra.Command, t *topology.Topology, cpus topology.List) (m topology.Matrix, clock *cpu.Clock, err error) {
	if f.matrix != "" {
		file, err := os.Open(f.matrix)
		if err != nil {
			return m, nil, usage("--matrix: %v", err)
		}
		defer file.Close()
		if m, err = topology.ReadCSV(file); err != nil {
			return m, nil, usage("--matrix %s: %v", f.matrix, err)
		}
		return m, nil, nil
	}
	if f.root != "" || f.unmeasured || len(cpus) < 2 {
		return m, nil, nil
	}
	calibrated, err := cpu.Calibrate()
	if err != nil {
		return m, nil, exit(exitUnfit, err)
	}
	var progress func(part string, done, of int)
	if !f.quiet {
		progress = progressTo(c.ErrOrStderr())
		progress("core to core", 0, 1)
	}
	x, err := probes.MeasureTransfers(calibrated, t, cpus, f.full, planBudget, func(done, of int) {
		if progress != nil {
			progress("core to core", done, of)
		}
	})
	if err != nil {
		return m, nil, exit(exitUnmeasured, err)
	}
	return x.Matrix, &calibrated, nil
}

// comparedFrom is how many CPUs a machine must have for a plan's path to be worth
// comparing: with fewer there is one hand-off or two.
const comparedFrom = 4

// heldAgainst sends a token round the plan's threads and predicts the same way.
func heldAgainst(clock *cpu.Clock, t *topology.Topology, costs topology.Matrix, p place.Plan) (*comparison, error) {
	if clock == nil || len(t.Usable()) < comparedFrom {
		return nil, nil
	}
	way := []place.Role{place.Generator, place.Ingest, place.Dispatch, place.Realtime, place.Store}
	out := &comparison{}
	for _, r := range way {
		thread, ok := p.Of(r)
		if ok && (len(out.Round) == 0 || out.Round[len(out.Round)-1] != thread.CPU) {
			out.Round = append(out.Round, thread.CPU)
		}
	}
	if len(out.Round) < 2 {
		return nil, nil
	}
	for i, c := range out.Round {
		out.PredictedNs += costs.At(c, out.Round[(i+1)%len(out.Round)])
	}
	var err error
	out.Measured, err = probes.Relay(*clock, out.Round, 200*time.Millisecond)
	return out, err
}

func planText(w io.Writer, p planned, explain bool) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "thread\tCPU\tmemory\troles")
	for _, t := range p.Threads {
		names := []string{}
		for _, r := range t.Roles {
			names = append(names, string(r))
		}
		node := "any"
		if t.Node != nil {
			node = fmt.Sprintf("node %d", *t.Node)
		}
		fmt.Fprintf(out, "%s\t%d\t%s\t%s\n", t.Name, t.CPU, node, strings.Join(names, " "))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "housekeeping on CPUs %v\n", topology.List(p.Housekeeping))
	fmt.Fprintf(w, "predicted hand-offs of one event's way, lanes weighted: %s\n", chart.Duration(p.PredictedNs))
	if m := p.Measured; m != nil {
		fmt.Fprintf(w, "round CPUs %v: predicted %s, measured %s [%s, %s]\n", m.Round, chart.Duration(m.PredictedNs), chart.Duration(m.Measured.Ns), chart.Duration(m.Measured.Low), chart.Duration(m.Measured.High))
	}
	for _, n := range p.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	if !explain {
		return nil
	}
	for _, t := range p.Threads {
		fmt.Fprintf(w, "\n%s on CPU %d\n", t.Name, t.CPU)
		for _, why := range t.Why {
			fmt.Fprintln(w, "  "+why)
		}
	}
	return nil
}
