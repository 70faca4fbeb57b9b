package main

import (
	"strings"
	"testing"
)

func TestClusterOfConfig(t *testing.T) {
	const peers = "  peers: [n1=127.0.0.1:1, n2=127.0.0.1:2, n3=127.0.0.1:3]\n"
	flags := newServeCommand().Flags()
	s, _, err := told(write(t, "cluster:\n  name: n2\n"+peers+"  certs: c\n  client_addr: 127.0.0.1:4\n  listen_addr: 127.0.0.1:5\n"), nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	if s.cluster.watermark() == nil {
		t.Error("the engine will not be told what is replicated")
	}
	if cfg, err := s.cluster.complete("d"); err != nil || len(cfg.Peers) != 3 || cfg.Peers[2].Address != "127.0.0.1:3" || cfg.Client != "127.0.0.1:4" || cfg.Listen != "127.0.0.1:5" {
		t.Errorf("%+v, %v", cfg, err)
	}
	for text, want := range map[string]string{
		"cluster:\n  name: a.b\n":                                "use 1 to 32 letters",
		"cluster:\n  name: n1\n" + peers:                         "esc cluster certs makes a set",
		"cluster:\n  certs: c\n" + peers:                         "cluster.name is empty",
		"cluster:\n  name: n9\n  certs: c\n" + peers:             "not among the peers",
		"cluster:\n  name: n1\nlog:\n  mode: os\n":               "never replicated",
		"cluster:\n  name: n1\n  listen_addr: 127.0.0.1:1\n":     "beside peers",
		"cluster:\n  partitions: 0\n":                            "esc.yaml:2: cluster.partitions",
		"cluster:\n  lease: 1ms\n":                               "esc.yaml:2: cluster.lease",
		"cluster:\n  peers: [n1]\n":                              "NAME=HOST:PORT",
		"cluster:\n  name: n1\n  nats_url: nats://x:1\n" + peers: "without peers",
	} {
		if _, _, err := told(write(t, text), nil, flags); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
