package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/cluster"
)

func newClusterCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Run several nodes, and see to them",
		Long: `Run several nodes, and see to them. A node is esc serve with --cluster NAME and
the section cluster of its configuration; esc cluster start runs a few of them on
this machine, for trying. The other commands find a cluster by the folder of
esc cluster start (--dir), or by addresses and certificates (--client, --certs).`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q: esc cluster --help lists them", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newClusterStart(), newClusterCerts(), newClusterStatus(), newClusterStepDown(), newClusterBalance(), newClusterRemove(),
		newClusterSet(), newClusterGet(), newClusterDedup())
	return c
}

// whereabouts are how a command finds a cluster.
type whereabouts struct {
	dir, certs string
	clients    []string
}

func (w *whereabouts) flags(c *cobra.Command) {
	c.Flags().StringVar(&w.dir, "dir", "", "folder of esc cluster start")
	c.Flags().StringSliceVar(&w.clients, "client", nil, "client addresses of some nodes, HOST:PORT,..., or the URL of an external NATS cluster")
	c.Flags().StringVar(&w.certs, "certs", "", "folder that esc cluster certs made")
	c.MarkFlagsMutuallyExclusive("dir", "client")
	c.MarkFlagsMutuallyExclusive("dir", "certs")
}

// dial connects to the cluster that the flags name.
func (w *whereabouts) dial() (*cluster.Client, error) {
	if w.dir != "" {
		l, err := readLayout(w.dir)
		if err != nil {
			return nil, exit(exitUsage, err)
		}
		w.certs = filepath.Join(w.dir, "certs")
		for _, n := range l.Nodes {
			w.clients = append(w.clients, n.Client)
		}
	}
	if len(w.clients) == 0 {
		return nil, usage("which cluster: name its folder (--dir), or addresses and certificates (--client, --certs)")
	}
	c, err := cluster.Dial(w.clients, w.certs)
	if errors.Is(err, cluster.ErrRefused) {
		return nil, exit(exitUsage, err)
	}
	return c, exit(exitUnmeasured, err)
}

// clusterCall is how long a command waits for a majority to answer.
const clusterCall = 20 * time.Second

// newClusterCall makes a command that asks a cluster one thing.
func newClusterCall(use, short string, args int, call func(context.Context, *cluster.Client, *cobra.Command, []string) error) *cobra.Command {
	var w whereabouts
	c := &cobra.Command{
		Use: use, Short: short,
		Args: func(c *cobra.Command, given []string) error {
			if len(given) != args {
				return usage("%d arguments, want %d: esc cluster %s", len(given), args, use)
			}
			return nil
		},
		RunE: func(c *cobra.Command, given []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), clusterCall)
			defer cancel()
			client, err := w.dial()
			if err != nil {
				return err
			}
			defer client.Close()
			return call(ctx, client, c, given)
		},
	}
	w.flags(c)
	return c
}

func newClusterStepDown() *cobra.Command {
	return newClusterCall("step-down NODE", "Move a node's partitions, and the lead of their streams, to others", 1,
		func(ctx context.Context, client *cluster.Client, c *cobra.Command, args []string) error {
			if err := client.StepDown(ctx, args[0]); err != nil {
				return exit(exitUnmeasured, err)
			}
			return nil
		})
}

func newClusterBalance() *cobra.Command {
	return newClusterCall("balance", "Give partitions back to nodes that lost them when they stopped", 0,
		func(ctx context.Context, client *cluster.Client, c *cobra.Command, _ []string) error {
			moves, err := client.Balance(ctx)
			if err != nil {
				return exit(exitUnmeasured, err)
			}
			for _, m := range moves {
				fmt.Fprintf(c.OutOrStdout(), "partition %d moves from %s to %s\n", m.Partition, m.From, m.To)
			}
			if len(moves) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "every partition is where it belongs, as far as nodes are there and up to date")
			}
			return nil
		})
}

func newClusterRemove() *cobra.Command {
	return newClusterCall("remove NODE", "Take a stopped node out of the cluster for good", 1,
		func(ctx context.Context, client *cluster.Client, c *cobra.Command, args []string) error {
			left, err := client.Remove(ctx, args[0])
			if err != nil {
				return exit(exitUnmeasured, err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is removed; left: %s\n", args[0], strings.Join(left, ", "))
			if len(left) < 3 {
				fmt.Fprintf(c.ErrOrStderr(), "esc: %d nodes keep %d copies: without any one of them nothing is answered replicated\n", len(left), len(left))
			}
			return nil
		})
}

func newClusterSet() *cobra.Command {
	var revision uint64
	c := newClusterCall("set KEY VALUE", "Put a value under a key of the cluster's shared state, and print its revision", 2,
		func(ctx context.Context, client *cluster.Client, c *cobra.Command, args []string) error {
			next, err := client.Set(ctx, args[0], []byte(args[1]), revision)
			if errors.Is(err, cluster.ErrChanged) {
				return err
			} else if err != nil {
				return exit(exitUnmeasured, err)
			}
			fmt.Fprintln(c.OutOrStdout(), next)
			return nil
		})
	c.Flags().Uint64Var(&revision, "revision", 0, "only if the key is at this revision; 0: only if it was never set")
	return c
}

func newClusterGet() *cobra.Command {
	return newClusterCall("get KEY", "Print a key's revision and its value, quoted", 1,
		func(ctx context.Context, client *cluster.Client, c *cobra.Command, args []string) error {
			value, revision, err := client.Get(ctx, args[0])
			if err != nil {
				return exit(exitUnmeasured, err)
			}
			if revision == 0 {
				return fmt.Errorf("key %q was never set", args[0])
			}
			fmt.Fprintf(c.OutOrStdout(), "%d %q\n", revision, value)
			return nil
		})
}

func newClusterDedup() *cobra.Command {
	var keep time.Duration
	c := newClusterCall("dedup KEY", "Say whether this is the first to come with the key: first, or duplicate", 1,
		func(ctx context.Context, client *cluster.Client, c *cobra.Command, args []string) error {
			first, err := client.Dedup(ctx, args[0], keep)
			if err != nil {
				return exit(exitUnmeasured, err)
			}
			word := "duplicate"
			if first {
				word = "first"
			}
			fmt.Fprintln(c.OutOrStdout(), word)
			return nil
		})
	c.Flags().DurationVar(&keep, "keep", time.Hour, "how long the key is remembered: 1s or more")
	return c
}

func newClusterCerts() *cobra.Command {
	var dir string
	var peers []string
	c := &cobra.Command{
		Use:   "certs --dir DIR --peers n1=HOST:PORT,n2=HOST:PORT,n3=HOST:PORT",
		Short: "Make a private set of certificates for a cluster's nodes and clients",
		Long: `Make a private set of certificates: an authority, whose key is thrown away, one
for each node's name and host, one for clients, and a secret that clients need as
well. Copy to each node ca.pem, secret, and its own NAME.pem and NAME.key; to
clients ca.pem, secret, client.pem and client.key.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" || len(peers) == 0 {
				return usage("--dir and --peers are needed: where to, and for whom")
			}
			m := membership{peers: peers}
			cfg, err := m.complete("")
			if err != nil {
				return exit(exitUsage, err)
			}
			return cluster.MakeCerts(dir, cfg.Peers)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder to make")
	c.Flags().StringSliceVar(&peers, "peers", nil, "the nodes, NAME=HOST:PORT each")
	return c
}

// clusterView is what esc cluster status prints.
type clusterView struct {
	Table      cluster.Table       `json:"table"`
	Nodes      []cluster.Status    `json:"nodes"`
	Missing    []string            `json:"missing,omitempty"`
	Agreements []cluster.Agreement `json:"agreements"`
}

func newClusterStatus() *cobra.Command {
	var asJSON bool
	c := newClusterCall("status", "Print who leads what, who is behind, and whether the replicas agree", 0,
		func(ctx context.Context, client *cluster.Client, c *cobra.Command, _ []string) error {
			v, err := viewCluster(ctx, client)
			if err != nil {
				return exit(exitUnmeasured, err)
			}
			if asJSON {
				err = json.NewEncoder(c.OutOrStdout()).Encode(v)
			} else {
				err = v.print(c.OutOrStdout())
			}
			return errors.Join(err, exit(exitMissed, v.fault()))
		})
	c.Long = c.Short + `.

Replicas are compared by the chain of checksums behind the last record that all
nodes have which answered. Exit codes: 0 all members answer and agree, 1 one is
missing, disagrees, or has a full disk, 3 there is no majority.`
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

func viewCluster(ctx context.Context, client *cluster.Client) (v clusterView, err error) {
	if v.Table, err = client.Table(ctx); err != nil {
		return v, err
	}
	if v.Nodes, err = client.Statuses(ctx); err != nil {
		return v, err
	}
	for _, name := range v.Table.Nodes {
		if !slices.ContainsFunc(v.Nodes, func(s cluster.Status) bool { return s.Name == name }) {
			v.Missing = append(v.Missing, name)
		}
	}
	for p := range v.Table.Partitions {
		a, err := client.Agree(ctx, p, v.Nodes)
		if err != nil {
			return v, err
		}
		v.Agreements = append(v.Agreements, a)
	}
	return v, nil
}

// fault is what is not as it should be.
func (v *clusterView) fault() error {
	for p, a := range v.Agreements {
		if a.Different {
			return fmt.Errorf("partition %d: the replicas differ behind record %d", p, a.Index)
		}
	}
	for _, n := range v.Nodes {
		if n.Full {
			return fmt.Errorf("%s has no room left on its disk: it keeps no streams until there is", n.Name)
		}
	}
	for _, n := range v.Nodes {
		if !n.Current {
			return fmt.Errorf("%s catches up with the table and the leases: stop no other node before it has", n.Name)
		}
	}
	if len(v.Missing) > 0 {
		return fmt.Errorf("no answer from %s", strings.Join(v.Missing, ", "))
	}
	return nil
}

func (v *clusterView) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "node\town log durable\treplicated\tid")
	for _, n := range v.Nodes {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", n.Name, n.Durable, n.Replicated, n.ID)
	}
	fmt.Fprintln(w, "\npartition\tnode\tpart\treplica\tkept from\trecords\tbehind\tchain\trepairs\tlost")
	for p := range v.Table.Partitions {
		for _, n := range v.Nodes {
			if p >= len(n.Partitions) {
				continue
			}
			s := n.Partitions[p]
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%08x\t%d\t%d\n", p, n.Name, roles(n.Name, s), s.State, s.First, s.Records, s.Behind, s.Chain, s.Repairs, s.Lost)
		}
	}
	fmt.Fprintln(w, "\npartition\tcompared behind\tagree")
	for p, a := range v.Agreements {
		word := strconv.Itoa(len(a.Chains)) + " replicas"
		if a.Different {
			word = "NO"
		}
		fmt.Fprintf(w, "%d\t%d\t%s\n", p, a.Index, word)
	}
	return w.Flush()
}

// roles is what a node is to a partition.
func roles(name string, s cluster.PartitionStatus) string {
	var roles []string
	if s.Owner == name {
		roles = append(roles, "owner")
	}
	if s.Leader == name {
		roles = append(roles, "leader")
	}
	if len(roles) == 0 {
		return "follower"
	}
	return strings.Join(roles, ",")
}

// layout is what esc cluster start wrote down of its nodes.
type layout struct {
	Nodes []layoutNode `json:"nodes"`
}

type layoutNode struct {
	Name   string `json:"name"`
	Frames string `json:"frames"` // where it takes events
	Client string `json:"client"`
	Route  string `json:"route"`
}

func readLayout(dir string) (l layout, err error) {
	file := filepath.Join(dir, "cluster.json")
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	if err != nil {
		return l, fmt.Errorf("%w: esc cluster start --dir %s makes one", err, dir)
	}
	return l, nil
}
