package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine/cluster"
	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/agent"
	"eventstreamcore/workloads/drive"
)

// agentSet makes certificates for so many agents on loopback.
func agentSet(t *testing.T, names ...string) (certs string) {
	t.Helper()
	certs = filepath.Join(t.TempDir(), "certs")
	var peers []cluster.Peer
	for _, name := range names {
		peers = append(peers, cluster.Peer{Name: name, Address: "127.0.0.1:1"})
	}
	if err := cluster.MakeCerts(certs, peers); err != nil {
		t.Fatal(err)
	}
	return certs
}

// lent is a running esc load --agent.
type lent struct {
	cmd  *exec.Cmd
	addr string

	mu   sync.Mutex
	said strings.Builder
	seen chan string // lines, as far as there is room
}

// agentProcess starts an agent on a free port, and waits until it listens.
func agentProcess(t *testing.T, command *exec.Cmd) *lent {
	t.Helper()
	l := &lent{cmd: command, seen: make(chan string, 100)}
	pipe, err := l.cmd.StderrPipe()
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.cmd.Process.Kill()
		l.cmd.Wait()
	})
	go func() {
		defer close(l.seen)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			l.mu.Lock()
			l.said.WriteString(lines.Text() + "\n")
			l.mu.Unlock()
			select {
			case l.seen <- lines.Text():
			default:
			}
		}
	}()
	l.addr = listening.FindStringSubmatch(l.until(t, "msg=listening"))[1]
	return l
}

// until waits for a line.
func (l *lent) until(t *testing.T, want string) string {
	t.Helper()
	for late := time.After(patience); ; {
		select {
		case line, ok := <-l.seen:
			if strings.Contains(line, want) {
				return line
			}
			if !ok {
				l.mu.Lock()
				defer l.mu.Unlock()
				t.Fatalf("an agent did not say %q, but %s", want, l.said.String())
			}
		case <-late:
			t.Fatalf("an agent did not say %q in time", want)
		}
	}
}

func agentCommand(t *testing.T, certs, name, target string) *exec.Cmd {
	t.Helper()
	return exec.Command(self(t), "load", "--agent", "127.0.0.1:0", "--certs", certs, "--as", name, "--allow", target)
}

// hostsRun is what esc bench --hosts left, checked as a folder of results.
func hostsRun(t *testing.T, out string) record.Run {
	t.Helper()
	dir := filepath.Join(out, "latest")
	if printed, code, err := execute(newVerifyCommand(), dir); code != 0 {
		t.Fatalf("it does not verify: %s %v", printed, err)
	}
	run, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// fellBehind is what a host that is busy with other tests may make of a load.
var fellBehind = regexp.MustCompile(`behind its schedule|were not answered`)

// rowOf is the row of a run that is of those hosts and that span.
func rowOf(t *testing.T, run record.Run, hosts, span string) record.Row {
	t.Helper()
	for _, row := range run.Rows {
		if slices.Contains(row.Params, record.Param{Key: "hosts", Value: hosts}) && (span == "") == !strings.Contains(row.Name(), "span=") &&
			(span == "" || slices.Contains(row.Params, record.Param{Key: "span", Value: span})) {
			return row
		}
	}
	t.Fatalf("no row of hosts %s, span %q", hosts, span)
	return record.Row{}
}

// checkSum holds the row of all hosts against those of each: as many events, in
// each bucket of the histogram.
func checkSum(t *testing.T, run record.Run, agents []string, span string) {
	t.Helper()
	all := rowOf(t, run, "2", span)
	type bar struct {
		name string
		from int64
	}
	want := map[bar]int64{}
	var n, events int64
	for _, a := range agents {
		own := rowOf(t, run, a, span)
		for _, trial := range own.Trials {
			events += trial.N
		}
		for _, d := range own.Distributions {
			hist, err := reports.Histogram(d)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range hist.Distribution() {
				want[bar{d.Name, b.From}] += b.Count
				n += b.Count
			}
		}
	}
	for _, trial := range all.Trials {
		events -= trial.N
	}
	if events != 0 {
		t.Errorf("span %q: all together has %d events fewer than the agents", span, events)
	}
	for _, d := range all.Distributions {
		hist, err := reports.Histogram(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range hist.Distribution() {
			if want[bar{d.Name, b.From}] != b.Count {
				t.Errorf("span %q: %d events from %d ns on, the agents have %d", span, b.Count, b.From, want[bar{d.Name, b.From}])
			}
		}
		n -= hist.TotalCount()
	}
	if n != 0 {
		t.Errorf("span %q: the histogram of all lacks %d events", span, n)
	}
}

// TestBenchHosts: two agents and a server, each a process; all events in the log,
// round trips and one way, histograms that are the sum of the agents'.
func TestBenchHosts(t *testing.T) {
	data := t.TempDir()
	p := serveProcess(t, data)
	certs := agentSet(t, "load1", "load2")
	var agents []string
	for _, name := range []string{"load1", "load2"} {
		agents = append(agents, agentProcess(t, agentCommand(t, certs, name, p.addr)).addr)
	}
	out := t.TempDir()
	printed, code, err := execute(newBenchCommand(), "--hosts", strings.Join(agents, ","), "--certs", certs, "--addr", p.addr, "--rate", "800", "--time", "500ms",
		"--count", "2", "--ask", "durable", "--log", data, "--one-way", "--out", out)
	if code != 0 && !(code == exitUnmeasured && fellBehind.MatchString(err.Error())) {
		t.Fatalf("exit %d, %v: %s", code, err, printed)
	}
	if n := strings.Count(printed, "known to ±"); n < 3 {
		t.Errorf("the offset's bound is printed %d times: %s", n, printed)
	}
	run := hostsRun(t, out)
	for _, span := range []string{"", "intended-sent", "intended-answered"} {
		checkSum(t, run, agents, span)
	}
	for i, s := range run.Senders {
		if s.Agent != agents[i] || s.Target != p.addr || s.BoundNs <= 0 || s.Fitness == "" || s.Host.Name == "" || s.Lost != "" ||
			s.OffsetNs-s.BoundNs > 0 || s.OffsetNs+s.BoundNs < 0 { // it is one host: the clock is the same
			t.Errorf("sender %+v", s)
		}
	}
	if len(run.Senders) != 2 {
		t.Errorf("%d senders", len(run.Senders))
	}
	oneWay := rowOf(t, run, "2", "intended-received")
	for i, trial := range rowOf(t, run, "2", "").Trials {
		if got := oneWay.Trials[i].N; got != trial.N || trial.N == 0 {
			t.Errorf("trial %d: %d events sent, %d found in the log", i+1, trial.N, got)
		}
	}
	if len(oneWay.Valid()) > 0 && !strings.Contains(strings.Join(oneWay.Notes, " "), "known to ±") {
		t.Errorf("one way without its bound: %q", oneWay.Notes)
	}
	if code, _ := p.terminate(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.messages())
	}
}

// TestBenchHostsLosesAnAgent: the others' figures are kept and do not count, and
// one line says who went.
func TestBenchHostsLosesAnAgent(t *testing.T) {
	p := serveProcess(t, t.TempDir())
	certs := agentSet(t, "load1", "load2")
	stays, goes := agentProcess(t, agentCommand(t, certs, "load1", p.addr)), agentProcess(t, agentCommand(t, certs, "load2", p.addr))
	go func() {
		orders := 0
		for line := range goes.seen { // the first load is done
			if strings.Contains(line, "msg=ordered") {
				if orders++; orders == 2 {
					break
				}
			}
		}
		goes.cmd.Process.Kill()
	}()
	out := t.TempDir()
	_, code, err := execute(newBenchCommand(), "--hosts", stays.addr+","+goes.addr, "--certs", certs, "--addr", p.addr, "--rate", "400", "--time", "1s", "--count", "5", "--out", out)
	if code != exitUnmeasured || err == nil || !strings.Contains(err.Error(), "agent "+goes.addr) || strings.Contains(err.Error(), "agent "+stays.addr) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("exit %d, %v", code, err)
	}
	run := hostsRun(t, out)
	row := rowOf(t, run, "2", "")
	if len(row.Trials) != 2 || row.Trials[len(row.Trials)-1].Invalid == "" {
		t.Errorf("trials %+v", row.Trials)
	}
	if run.Senders[0].Lost != "" || run.Senders[1].Lost == "" {
		t.Errorf("senders %+v", run.Senders)
	}
	if failed, err := filepath.Glob(filepath.Join(out, "latest", "*.FAIL")); err != nil || len(failed) == 0 {
		t.Errorf("no .FAIL file, %v", err)
	}
}

// TestBenchHostsTakesOneBuild: another one's figures are no part of a whole.
func TestBenchHostsTakesOneBuild(t *testing.T) {
	certs := agentSet(t, "load1")
	mutual, err := cluster.MutualTLS(certs, "load1")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limits := agent.DefaultLimits()
	limits.Targets = []string{"127.0.0.1:9000"}
	a := &agent.Agent{TLS: mutual, Limits: limits, Version: "another", Logger: slog.New(slog.DiscardHandler),
		Load: func(context.Context, drive.Spec) (record.Run, error) { return record.Run{}, io.EOF }}
	go a.Serve(t.Context(), l)
	_, code, err := execute(newBenchCommand(), "--hosts", l.Addr().String(), "--certs", certs, "--out", t.TempDir())
	if code != exitUnmeasured || err == nil || !strings.Contains(err.Error(), "another build") {
		t.Errorf("exit %d, %v", code, err)
	}
}

// TestBenchHostsRefuses what makes no sense, each in one line, before anything is
// sent.
func TestBenchHostsRefuses(t *testing.T) {
	certs := agentSet(t, "load1")
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--hosts", "127.0.0.1:1"}, "--certs DIR", exitUsage},
		{[]string{"--hosts", "here", "--certs", certs}, "HOST:PORT", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1,127.0.0.1:1", "--certs", certs}, "once", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", t.TempDir()}, "esc cluster certs", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", certs, "--run", "spsc"}, "--run with --hosts", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", certs, "--rate", "0"}, "open loop", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", certs, "--shape", "burst"}, "poisson or constant", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", certs, "--ask", "sworn"}, "sworn", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", certs, "--one-way"}, "--log DIR", exitUsage},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", certs, "--log", t.TempDir()}, "data folder", exitUnmeasured},
		{[]string{"--hosts", "127.0.0.1:1", "--certs", certs}, "agent 127.0.0.1:1: not reached", exitUnmeasured},
		{[]string{"--rate", "5"}, "--rate without --hosts", exitUsage},
	} {
		_, code, err := execute(newBenchCommand(), append(c.args, "--out", filepath.Join(t.TempDir(), "out"))...)
		if code != c.code || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: exit %d, %v; want %d, .. %s", c.args, code, err, c.code, c.want)
		}
	}
}

// TestAgentRefuses to lend more than it was told to.
func TestAgentRefuses(t *testing.T) {
	certs := agentSet(t, "load1")
	whole := []string{"--agent", "127.0.0.1:0", "--certs", certs, "--as", "load1", "--allow", "127.0.0.1:9000"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--agent", "127.0.0.1:0"}, "--certs"},
		{[]string{"--agent", ":7400", "--certs", certs, "--as", "load1", "--allow", "127.0.0.1:9000"}, "HOST:PORT"},
		{[]string{"--agent", "127.0.0.1:0", "--certs", certs, "--as", "load1"}, "--allow"},
		{[]string{"--agent", "127.0.0.1:0", "--certs", certs, "--as", "load2", "--allow", "127.0.0.1:9000"}, "certificate of load2"},
		{append(slices.Clone(whole), "--allow", "somewhere"), "HOST:PORT"},
		{append(slices.Clone(whole), "--rate", "7"), "--rate with --agent"},
		{append(slices.Clone(whole), "--out", "results"), "--out with --agent"},
		{append(slices.Clone(whole), "--most-rate", "0"), "--most-rate"},
		{append(slices.Clone(whole), "--cpu", "100000"), "--cpu 100000"},
		{append(slices.Clone(whole), "--ca", os.DevNull), "certificate in PEM"},
	} {
		_, code, err := execute(newLoadCommand(), c.args...)
		if code != exitUsage || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: exit %d, %v; want .. %s", c.args, code, err, c.want)
		}
	}
}
