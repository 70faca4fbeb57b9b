package main

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

var update = flag.Bool("update", false, "write docs/config.yaml anew")

const documented = "../../docs/config.yaml"

// TestDocumentedConfig keeps docs/config.yaml what --print-config prints: every
// option with its default, and all of it is read back.
func TestDocumentedConfig(t *testing.T) {
	s := newSettings()
	s.data = "data"
	var want bytes.Buffer
	if err := s.print(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(documented, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documented)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what is printed: go test ./cmd/esc -run DocumentedConfig -update, and look at the difference", documented)
	}
	back, warnings, err := told(documented, nil, newServeCommand().Flags())
	if err != nil || len(warnings) > 0 || !reflect.DeepEqual(back, s) {
		t.Errorf("read back: %v, %q\n%+v, want\n%+v", err, warnings, back, s)
	}
}

// TestEveryOptionActs changes each option in the file, and sees the settings
// change with it, and the printed file tell.
func TestEveryOptionActs(t *testing.T) {
	other := map[string]string{
		"data": "d", "topics": "t.conf", "drain": "3s", "tcp.addr": "127.0.0.2:9", "tcp.insecure": "true",
		"tcp.tokens_file": "t", "tcp.tls_cert": "", "tcp.tls_key": "", "tcp.tls_client_ca": "", "tcp.cap": "LOW", "tcp.trust_intended": "true",
		"tcp.unread": "7KiB", "tcp.unreading": "7s", "tcp.handshake": "7s", "tcp.handshakes": "7", "tcp.in_flight": "7MiB",
		"tcp.connections": "7", "tcp.per_address": "7", "tcp.first_frame": "7s", "tcp.completion": "7s", "tcp.silence": "7s",
		"udp.addr": "127.0.0.1:9", "udp.cap": "LOW", "udp.buffer": "7MiB",
		"file.path": "f", "file.topic": "", "file.priority": "LOW", "file.follow": "false", "file.at_end": "true",
		"threads.plan": "split", "threads.cpus": "[1]", "threads.helpers": "3", "threads.idle": "spin", "threads.node": "0",
		"log.mode": "os", "log.interval": "7ms", "log.segment": "2MiB", "log.group_events": "7", "log.group_bytes": "8KiB",
		"log.retain_bytes": "7GiB", "log.retain_age": "7h", "log.check_bytes": "7", "log.direct": "true", "log.scrub_rate": "1MiB",
		"pool.slots_256b": "7", "pool.slots_2kib": "7", "pool.slots_64kib": "7", "pool.slots_1mib": "7",
		"lanes.realtime": "128", "lanes.transactional": "128", "lanes.batch": "128", "lanes.sublanes": "4",
		"overflow.realtime": "DROP_NEW", "overflow.transactional": "DROP_OLD", "overflow.batch": "BLOCK_PRODUCER",
		"control.max_queue_depth": "7", "control.max_drop_rate": "7", "control.max_latency_ms": "7",
		"control.min_events_for_evaluation": "7", "control.recovery_factor": "0.7",
		"dead.dir": "dd", "dead.depth": "128", "dead.retain_bytes": "7MiB", "dedup.memory": "1MiB", "dedup.window": "7m", "dedup.producers": "128",
		"windows.span": "7s", "windows.topics": "7", "windows.fold": "true", "windows.value_field": "v", "windows.time_field": "at",
		"windows.time_unit": "us", "windows.lateness": "3s", "windows.late": "apart",
		"alerts.topics": "[a/b, '#']", "alerts.log": "false", "alerts.webhook": "",
		"cluster.name": "n7", "cluster.peers": "", "cluster.client_addr": "", "cluster.listen_addr": "", "cluster.certs": "c", "cluster.nats_url": "",
		"cluster.partitions": "7", "cluster.lease": "7s", "cluster.store_bytes": "7GiB", "cluster.memory_bytes": "70MiB", "cluster.retain_bytes": "777MiB", "cluster.retain_age": "7h",
		"admin.addr": "127.0.0.1:7", "admin.token": "0123456789abcdef", "admin.token_file": "",
	}
	for i, o := range newSettings().options() {
		value, ok := other[o.key]
		if !ok {
			t.Errorf("%s: the test has no other value for it", o.key)
		}
		if value == "" {
			continue // a file that must be there, or others that must go with it: TestTokenFile, TestClusterOfConfig
		}
		text := o.key + ": " + value + "\n"
		if section, name, ok := strings.Cut(o.key, "."); ok {
			text = section + ":\n  " + name + ": " + value + "\n"
		}
		flags := newServeCommand().Flags()
		s, _, err := told(write(t, text), nil, flags)
		if err != nil || reflect.DeepEqual(s, newSettings()) {
			t.Errorf("%s in a file: %v, or nothing has changed", text, err)
			continue
		}
		again, _, err := told("", []string{o.variable() + "=" + s.options()[i].value.String()}, flags)
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%s in the environment: %v, or not the same as in a file", o.variable(), err)
		}
		var printed bytes.Buffer
		if err := s.print(&printed); err != nil || !o.secret && !strings.Contains(printed.String(), "\n"+lastLine(text)) {
			t.Errorf("%s is not printed: %v\n%s", text, err, printed.String())
		}
		if o.secret && strings.Contains(printed.String(), value) {
			t.Errorf("%s is printed:\n%s", o.key, printed.String())
		}
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "esc.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestConfigMistakes: all at once, each with file, line and key.
func TestConfigMistakes(t *testing.T) {
	const file = "testdata/config/mistakes.yaml"
	_, _, err := told(file, nil, newServeCommand().Flags())
	if err == nil {
		t.Fatal("accepted")
	}
	want := []string{
		`:2: data: "5" (int), where text belongs`,
		`:3: tpc: no such key: esc serve --print-config lists them`,
		`:6: tcp.addres: no such key: tcp.addr is meant?`,
		`:7: tcp.connections: "many" (str), where a whole number belongs`,
		`:8: tcp.per_address: connections per address 0: must be at least 1`,
		`:9: tcp.first_frame: "5" (int), where a time, as 10ms or 5s belongs`,
		`:10: tcp.insecure: "true" (str), where true or false belongs`,
		`:11: tcp.addr: "localhost" is no HOST:PORT: write it as 127.0.0.1:9000 or [::1]:9000`,
		`:13: log.mode: log mode "always": use group, interval or os`,
		`:14: log.segment: "64MB" is no size: write bytes, or a number and KiB, MiB, GiB or TiB`,
		`:15: log.interval: log interval in ns: 3600000000000 is out of range 100000 to 60000000000`,
		`:16: log.retain_bytes: nothing, where bytes, or a size as 64MiB belongs`,
		`:18: lanes.realtime: realtime lane: depth 1000 must be a power of two from 64 to 16777216`,
		`:20: control.max_drop_rate: "2 %" (str), where a number belongs`,
		`:21: control.recovery_factor: 1.5 must be 0.1 to 1`,
		`:22: control.max_drop_rate: stands on line 20 already: strike one`,
		`:24: admin.token: admin token of 5 bytes: it must have 16 to 1024, for example from: openssl rand -hex 32`,
		`:26: threads.cpus: "0" (int), where a list of CPU numbers, as [0, 1] belongs`,
		`:27: threads.idle: a list, where a name belongs`,
		`:29: topics: an alias, where text belongs`,
		`:30: addr: no such key: tcp.addr is meant?`,
		`:31: pool: "7" (int), where keys and values belong`,
	}
	got := strings.Split(err.Error(), "\n")
	for i, line := range want {
		if i >= len(got) || got[i] != file+line {
			t.Fatalf("line %d of the errors:\n%s\nwant\n%s", i, strings.Join(got[i:], "\n"), file+line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d mistakes, want %d: %q", len(got), len(want), got[len(want):])
	}
}

func TestConfigThatIsNone(t *testing.T) {
	for text, want := range map[string]string{
		"a: [":                             "esc.yaml:1: did not find expected node content",
		"- a\n":                            "esc.yaml:1: a list, where keys and values belong",
		"a: 1\n---\nb: 2":                  "has more than one document",
		"data: \xff":                       "esc.yaml",
		"drain: !!int x\n":                 "esc.yaml:1: drain: ",
		strings.Repeat("#", configBytes+1): "is larger than",
	} {
		if _, _, err := told(write(t, text), nil, newServeCommand().Flags()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
	if _, _, err := told("nowhere.yaml", nil, newServeCommand().Flags()); err == nil || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("no file: %v", err)
	}
	if _, _, err := told(write(t, "# nothing but a comment\n"), nil, newServeCommand().Flags()); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestPrecedence: file < environment < flags.
func TestPrecedence(t *testing.T) {
	file := write(t, "data: file\ndrain: 1s\nlog:\n  mode: os\nlanes:\n  batch: 64\noverflow:\n  batch: DROP_OLD\nthreads:\n  plan: split\n  cpus: [2, 3]\n")
	flags := newServeCommand().Flags()
	if err := flags.Parse([]string{"--data", "flag", "--idle", "spin"}); err != nil {
		t.Fatal(err)
	}
	environment := []string{"HOME=/", "ESC_DATA=environment", "ESC_DRAIN=2s", "ESC_THREADS_IDLE=park", "ESC_NO_SUCH=1"}
	s, warnings, err := told(file, environment, flags)
	if err != nil {
		t.Fatal(err)
	}
	if s.data != "flag" || s.engine.Drain != 2*time.Second || s.engine.Log.Mode != store.OS || s.idle != duty.Spin {
		t.Errorf("%q, %v, %v, %v", s.data, s.engine.Drain, s.engine.Log.Mode, s.idle)
	}
	if s.engine.Lanes[event.LaneBatch] != 64 || s.engine.Overflow[event.LaneBatch] != bus.DropOld || !slices.Equal(s.cpus, []int{2, 3}) {
		t.Errorf("%v, %v, %v", s.engine.Lanes, s.engine.Overflow, s.cpus)
	}
	if !slices.Equal(warnings, []string{"ESC_NO_SUCH"}) {
		t.Errorf("warnings %q", warnings)
	}
	if _, _, err := told(file, []string{"ESC_LANES_BATCH=65"}, flags); err == nil || !strings.HasPrefix(err.Error(), "environment variable ESC_LANES_BATCH: batch lane: depth 65") {
		t.Errorf("a bad variable: %v", err)
	}
	if _, _, err := told(file, []string{"ESC_THREADS_PLAN=fused"}, flags); err == nil || !strings.Contains(err.Error(), "plan fused has 1 thread(s)") {
		t.Errorf("two CPUs for one thread: %v", err)
	}
}

func TestTokenFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "token")
	if err := os.WriteFile(name, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := newServeCommand().Flags()
	s, _, err := told("", []string{"ESC_ADMIN_TOKEN_FILE=" + name}, flags)
	if err != nil || s.admin.Token != "0123456789abcdef" {
		t.Fatalf("token %q, %v", s.admin.Token, err)
	}
	for _, environment := range [][]string{
		{"ESC_ADMIN_TOKEN_FILE=" + name, "ESC_ADMIN_TOKEN=0123456789abcdef"},
		{"ESC_ADMIN_TOKEN_FILE=" + filepath.Join(dir, "none")},
	} {
		if _, _, err := told("", environment, flags); err == nil || !strings.Contains(err.Error(), "admin.token") {
			t.Errorf("%q: %v", environment, err)
		}
	}
}

func TestAlertsOfConfig(t *testing.T) {
	flags := newServeCommand().Flags()
	s, _, err := told(write(t, "alerts:\n  topics: [alarms/#, +/fire]\n  webhook: https://example.org/secret\n"), nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	if made := s.alerts.make(slog.New(slog.DiscardHandler)); len(made) != 4 {
		t.Errorf("%d alerts, want a line and a POST for each of two patterns", len(made))
	}
	var printed bytes.Buffer
	if err := s.print(&printed); err != nil || strings.Contains(printed.String(), "secret") || !strings.Contains(printed.String(), "topics: [alarms/#, +/fire]") {
		t.Errorf("%v\n%s", err, printed.String())
	}
	for text, want := range map[string]string{
		"alerts:\n  webhook: https://example.org/x\n": "alerts.topics is empty",
		"alerts:\n  webhook: example.org/x\n":         "esc.yaml:2: alerts.webhook: webhook is no URL",
		"alerts:\n  topics: [a+/b]\n":                 "esc.yaml:2: alerts.topics: handler: topic \"a+/b\"",
		"alerts:\n  topics: a\n":                      "esc.yaml:2: alerts.topics: \"a\" (str), where a list",
	} {
		if _, _, err := told(write(t, text), nil, flags); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{}, "--data is missing"},
		{[]string{"--cpus", "x"}, "is no CPU number"},
		{[]string{"--cpus", "0,1"}, "plan fused has 1 thread(s)"},
		{[]string{"--plan", "wide"}, "use fused or split"},
		{[]string{"--segment", "10"}, "out of range"},
		{[]string{"--mode", "never"}, "use group, interval or os"},
		{[]string{"--addr", ""}, "tcp.addr is empty"},
		{[]string{"--config", "nowhere.yaml"}, "nowhere.yaml"},
		{[]string{"--data", t.TempDir(), "--topics", "nowhere.conf"}, "nowhere.conf"},
		{[]string{"extra"}, "unexpected argument"},
	} {
		if _, code, err := execute(newServeCommand(), c.args...); code != exitUsage || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: exit %d, %v, want %d and %q", c.args, code, err, exitUsage, c.want)
		}
	}
}

func TestPrintConfig(t *testing.T) {
	t.Setenv("ESC_ADMIN_TOKEN", "0123456789abcdef")
	out, code, err := execute(newServeCommand(), "--print-config", "--segment", "8MiB", "--insecure")
	if code != 0 || !strings.Contains(out, "  segment: 8MiB\n") || !strings.Contains(out, "  insecure: true\n") || !strings.Contains(out, "  # token: (set, and not shown)\n") {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
	if strings.Contains(out, "0123456789abcdef") {
		t.Error("the token is shown")
	}
}

// TestFlagsOfServe: what scripts use stays.
func TestFlagsOfServe(t *testing.T) {
	var c *cobra.Command = newServeCommand()
	for _, name := range strings.Fields("data addr plan cpus helpers idle mode segment insecure drain topics config print-config admin admin-token-file") {
		if c.Flags().Lookup(name) == nil {
			t.Errorf("no flag --%s", name)
		}
	}
}

// FuzzConfig wants of any file that it is taken or refused by name, and that
// what was taken is printed as a file that says the same.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{documented, "testdata/config/mistakes.yaml"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	for _, text := range []string{"", "---\n", "tcp: {addr: '[::1]:0'}", "a: &a\n  b: *a\n", "<<: {data: x}", "data: |\n  x\n", "alerts: {topics: [a, '#']}", "threads: {cpus: [0, [1]]}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := newSettings()
		if err := (&configFile{name: "f", options: s.options(), seen: map[string]int{}}).read(text); err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("no name in %q", err)
			}
			return
		}
		s.admin.Token, s.alerts.webhook = "", "" // which are not printed
		var printed bytes.Buffer
		if err := s.print(&printed); err != nil {
			t.Fatal(err)
		}
		back := newSettings()
		err := (&configFile{name: "p", options: back.options(), seen: map[string]int{}}).read(printed.String())
		var again bytes.Buffer
		back.print(&again)
		if err != nil || again.String() != printed.String() {
			t.Fatalf("%v\n%s\nread back as\n%s", err, printed.String(), again.String())
		}
	})
}
