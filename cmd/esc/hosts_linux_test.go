package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cluster"
	"eventstreamcore/reports/record"
)

// The hosts of the laboratory: a hub where the server and the commander are, and
// a wire of its own to each sender.
const (
	hubAddress = "192.0.2.129"
	agentPort  = "7400"
	clockAhead = 3600 // s, of the second sender's clock
)

func senderAddress(i int) string { return fmt.Sprintf("192.0.2.%d", 4*i+2) }

// laboratory is hosts made of network namespaces.
type laboratory struct {
	hub     string
	senders [2]string
}

// newLaboratory lays the wires. It skips where that is not allowed.
func newLaboratory(t *testing.T) laboratory {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces are made by root alone")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no ip command: it comes with iproute2")
	}
	own := fmt.Sprintf("esc%d", os.Getpid())
	l := laboratory{hub: own + "h", senders: [2]string{own + "a", own + "b"}}
	for _, ns := range append(l.senders[:], l.hub) {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("network namespaces cannot be made here: %s", strings.TrimSpace(string(out)))
		}
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	}
	ip(t, "-n %s link set lo up", l.hub)
	ip(t, "-n %s addr add %s/32 dev lo", l.hub, hubAddress)
	for i, ns := range l.senders {
		gate := fmt.Sprintf("192.0.2.%d", 4*i+1)
		ip(t, "-n %s link add w%d type veth peer name w netns %s", l.hub, i, ns)
		ip(t, "-n %s addr add %s/30 dev w%d", l.hub, gate, i)
		ip(t, "-n %s link set w%d up", l.hub, i)
		ip(t, "-n %s addr add %s/30 dev w", ns, senderAddress(i))
		ip(t, "-n %s link set w up", ns)
		ip(t, "-n %s route add default via %s", ns, gate)
	}
	return l
}

func ip(t *testing.T, format string, args ...any) {
	t.Helper()
	words := strings.Fields(fmt.Sprintf(format, args...))
	if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
		t.Skipf("ip %s: %s", strings.Join(words, " "), strings.TrimSpace(string(out)))
	}
}

// on is a command on one of the hosts.
func on(ns string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...)
}

// clockNamespaces reports whether a host here can have a clock of its own.
func clockNamespaces() bool {
	return exec.Command("unshare", "--time", "--fork", "--monotonic", "1", "true").Run() == nil
}

// TestBenchHostsOverTheWire: a server and two senders that share no network but
// a wire each, by TLS and with a token, as hosts must that are not one machine.
// The second one's clock is an hour ahead, and the bound of its offset tells.
func TestBenchHostsOverTheWire(t *testing.T) {
	lab := newLaboratory(t)
	dir, esc := t.TempDir(), self(t)
	certs, token, tokens, data := filepath.Join(dir, "certs"), filepath.Join(dir, "token"), filepath.Join(dir, "tokens"), filepath.Join(dir, "data")
	target := hubAddress + ":9000"
	peers := []cluster.Peer{{Name: "server", Address: target}, {Name: "load1", Address: senderAddress(0) + ":" + agentPort}, {Name: "load2", Address: senderAddress(1) + ":" + agentPort}}
	if err := cluster.MakeCerts(certs, peers); err != nil {
		t.Fatal(err)
	}
	const secret = "0123456789abcdef0123456789abcdef"
	if err := errors.Join(os.WriteFile(token, []byte(secret), 0o600), os.WriteFile(tokens, []byte("load HIGH "+secret+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	agentProcess(t, on(lab.hub, esc, "serve", "--data", data, "--addr", target, "--tls-cert", filepath.Join(certs, "server.pem"), "--tls-key", filepath.Join(certs, "server.key"), "--tokens-file", tokens))
	planted := clockNamespaces()
	var agents []string
	for i, ns := range lab.senders {
		args := []string{esc, "load", "--agent", peers[i+1].Address, "--certs", certs, "--as", peers[i+1].Name, "--allow", target,
			"--ca", filepath.Join(certs, "ca.pem"), "--token-file", token}
		if i == 1 && planted {
			args = append([]string{"unshare", "--time", "--fork", "--kill-child", "--monotonic", fmt.Sprint(clockAhead)}, args...)
		}
		agents = append(agents, agentProcess(t, on(ns, args...)).addr)
	}
	out := filepath.Join(dir, "results")
	bench := on(lab.hub, esc, "bench", "--hosts", strings.Join(agents, ","), "--certs", certs, "--addr", target, "--rate", "400", "--time", "1s", "--count", "2",
		"--ask", "durable", "--log", data, "--one-way", "--out", out)
	if printed, err := bench.CombinedOutput(); err != nil && !fellBehind.Match(printed) {
		t.Fatalf("%v: %s", err, printed)
	} else {
		t.Logf("%s", senderLines.FindAll(printed, -1))
	}
	run := hostsRun(t, out)
	checkSum(t, run, agents, "intended-answered")
	checkClocks(t, run.Senders, planted)
	oneWay := rowOf(t, run, "2", "intended-received")
	for i, trial := range rowOf(t, run, "2", "").Trials {
		if got := oneWay.Trials[i]; got.N != trial.N || trial.N == 0 {
			t.Errorf("trial %d: %d events sent, %d found in the log", i+1, trial.N, got.N)
		}
	}
	for _, d := range oneWay.Distributions {
		if d.Max > int64(clockAhead*time.Second) {
			t.Errorf("an event was under way for %v: the offset was not taken off", time.Duration(d.Max))
		}
	}
}

var senderLines = regexp.MustCompile(`(?m)^agent .*$`)

// checkClocks: one host's clock is no further ahead than its bound, the other's an hour.
func checkClocks(t *testing.T, senders []record.Sender, planted bool) {
	t.Helper()
	if len(senders) != 2 {
		t.Fatalf("%d senders", len(senders))
	}
	for i, s := range senders {
		truth := int64(0)
		if i == 1 && planted {
			truth = int64(clockAhead * time.Second)
		}
		if off := s.OffsetNs - truth; s.BoundNs <= 0 || off > s.BoundNs || -off > s.BoundNs {
			t.Errorf("%s: its clock is %v ahead, and was found to be %v ±%v", s.Agent, time.Duration(truth), time.Duration(s.OffsetNs), time.Duration(s.BoundNs))
		}
	}
	if !planted {
		t.Log("no clock was set ahead: unshare --time is not possible here")
	}
}
