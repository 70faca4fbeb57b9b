package cluster

import (
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// freeAddresses are so many addresses for a test's nodes.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	all, err := FreeAddresses(n)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFreeAddressesAreNoOutgoingConnections: what was free a moment ago stays so,
// however many connections are made meanwhile. Where the system takes theirs from
// is seen by some of them.
func TestFreeAddressesAreNoOutgoingConnections(t *testing.T) {
	const wanted = 64
	chosen := map[string]bool{}
	for _, at := range freeAddresses(t, wanted) {
		_, port, err := hostPort(at)
		if err != nil || outgoing().contains(port) && outgoing().beyond() != (span{portLeast, 65535}) {
			t.Errorf("%s is among %+v, which outgoing connections have, %v", at, outgoing(), err)
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatalf("it is not free: %v", err)
		}
		l.Close()
		chosen[at] = true
	}
	if len(chosen) != wanted {
		t.Errorf("%d of %d are different", len(chosen), wanted)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 100 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if port := c.LocalAddr().(*net.TCPAddr).Port; !outgoing().contains(port) {
			t.Errorf("a connection has port %d, and %+v was thought to be theirs", port, outgoing())
		}
		c.Close()
	}
}

func TestPortsBesideOutgoing(t *testing.T) {
	for text, want := range map[string]span{
		"32768\t60999\n":  {10240, 32767},
		"1024 65535":      {10240, 65535},
		"10000 60000":     {60001, 65535},
		"1024 9000":       {10240, 65535},
		"11264 65535":     {10240, 11263},
		"11263 65535":     {10240, 65535},
		"":                {0, 0},
		"5":               {0, 0},
		"9 5":             {0, 0},
		"1 70000":         {0, 0},
		"-1 70":           {0, 0},
		"32768 sixty-one": {0, 0},
	} {
		s, err := parseSpan(text)
		if (err != nil) != (want == span{}) {
			t.Errorf("%q: %+v, %v", text, s, err)
		} else if err == nil && s.beyond() != want {
			t.Errorf("%q: %+v, want %+v", text, s.beyond(), want)
		}
	}
}

// TestPortThatIsTaken: a node whose port another process has says so, and which it
// is; it does not wait for it.
func TestPortThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := freeAddresses(t, 3)
	peers := []Peer{{"n1", free[0]}, {"n2", free[1]}, {"n3", free[2]}}
	certs := filepath.Join(t.TempDir(), "certs")
	if err := MakeCerts(certs, peers); err != nil {
		t.Fatal(err)
	}
	for what, cfg := range map[string]Config{
		"for clients": {Client: taken.Addr().String()},
		"for peers":   {Listen: taken.Addr().String()},
	} {
		c := Default("n1", t.TempDir())
		c.Peers, c.Certs, c.Client, c.Listen, c.Logger = peers, certs, cfg.Client, cfg.Listen, slog.New(slog.DiscardHandler)
		n, err := Start(c)
		if err == nil {
			n.Close()
		}
		if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "another address") {
			t.Errorf("%s: %v, want it to name %s", what, err, taken.Addr())
		}
	}
}
