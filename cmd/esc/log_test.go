package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// newData is a data folder whose log holds n events, event i received at second
// i, in groups of ten; closed cleanly if asked.
func newData(t *testing.T, n int, sealed bool) (data, segment string) {
	t.Helper()
	data = t.TempDir()
	cfg := store.Default(store.EventsDir(data))
	cfg.SegmentBytes = store.SegmentBytesMin
	l, _, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var slot struct {
		h    event.Header
		data [200]byte
	}
	for i := 1; i <= n; i++ {
		slot.h.Record = event.Record{ID: uint64(i), Wall: int64(i) * 1e9, Type: event.TypeEvent}
		slot.h.Fill(fmt.Appendf(nil, "plant/%d/temperature", i%3), []byte("21.5"))
		slot.h.Seal()
		l.Append(&slot.h)
		if i%10 == 0 {
			l.Offer()
			if _, err := l.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	segment = filepath.Join(cfg.Dir, "00000000000000000001.seg")
	if sealed {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return data, segment
	}
	t.Cleanup(func() { l.Close() })
	return data, segment
}

// flip turns a bit in a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLogVerifyAndRepair(t *testing.T) {
	data, segment := newData(t, 100, true)
	lines := func(args ...string) (string, int, error) {
		out, code, err := execute(newLogCommand(), args...)
		all := strings.Split(strings.TrimSpace(out), "\n")
		return all[len(all)-1], code, err
	}
	for _, dir := range []string{data, store.EventsDir(data)} {
		last, code, err := lines("verify", dir)
		if want := "100 records, sequences 1 to 101, 11 groups in 1 segments: whole, closed cleanly"; last != want || code != 0 {
			t.Errorf("%s\nwant %s\ncode %d, %v", last, want, code, err)
		}
	}
	flip(t, segment, 4096+3*64+60)
	last, code, err := lines("verify", data)
	if code != exitMissed || !strings.Contains(err.Error(), "offset 4288, in the group at 4096") || !strings.Contains(last, "corrupt") {
		t.Errorf("a flipped bit: %s, code %d, %v", last, code, err)
	}
	if _, code, err = lines("dump", data); code != exitMissed || !strings.Contains(err.Error(), "esc log repair") {
		t.Errorf("dumping what is corrupt: code %d, %v", code, err)
	}
	last, code, err = lines("repair", data)
	if want := "sequences 1 to 10 taken out at offset 4096, saved as 00000000000000000001.quarantine"; code != 0 || !strings.Contains(last, want) {
		t.Errorf("repair: %s, code %d, %v", last, code, err)
	}
	if last, code, err = lines("repair", data); last != "nothing to mend" || code != 0 {
		t.Errorf("repair again: %s, code %d, %v", last, code, err)
	}
	if last, code, err = lines("verify", data); code != 0 || !strings.HasPrefix(last, "90 records, sequences 1 to 101") {
		t.Errorf("after repair: %s, code %d, %v", last, code, err)
	}
	out, code, err := execute(newLogCommand(), "dump", data)
	if n := strings.Count(out, `"type":"event"`); n != 90 || code != 0 || !strings.Contains(out, "10 sequences are missing") {
		t.Errorf("dump after repair: %d events, code %d, %v", n, code, err)
	}
}

func TestLogVerifyTorn(t *testing.T) {
	data, segment := newData(t, 100, true)
	flip(t, segment, 4096+10*(10*64+72)+5) // in the seal
	out, code, err := execute(newLogCommand(), "verify", data)
	if code != exitTorn || !strings.Contains(out, "100 records") || !strings.Contains(out, "torn at the end") {
		t.Errorf("%s, code %d, %v", out, code, err)
	}
	out, code, err = execute(newLogCommand(), "verify", "--json", data)
	if code != exitTorn || !strings.Contains(out, `"Torn":true,"Why":"no record header"`) {
		t.Errorf("%s, code %d, %v", out, code, err)
	}
}

func TestLogLive(t *testing.T) {
	data, _ := newData(t, 100, false)
	for command, want := range map[string]string{
		"verify": "100 records, sequences 1 to 100, 10 groups in 1 segments: whole so far, being written",
		"stat":   "sequences 1 to 100 in 1 segments, 1048576 bytes, being written",
		"dump":   `"sequence":100,"id":"100","received":"1970-01-01T00:01:40Z"`,
	} {
		if out, code, err := execute(newLogCommand(), command, data); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: %s, code %d, %v", command, out, code, err)
		}
	}
	if _, code, err := execute(newLogCommand(), "repair", data); code != exitMissed || !strings.Contains(err.Error(), "stop it") {
		t.Errorf("repair: code %d, %v", code, err)
	}
}

func TestLogDump(t *testing.T) {
	data, _ := newData(t, 100, true)
	for _, c := range []struct {
		args        []string
		first, last string
		n           int
	}{
		{nil, `"id":"1",`, `"id":"100"`, 100},
		{[]string{"--from", "40"}, `"id":"40"`, `"id":"100"`, 61},
		{[]string{"--from", "40", "--limit", "5"}, `"id":"40"`, `"id":"44"`, 5},
		{[]string{"--since", "1970-01-01T00:01:30Z"}, `"id":"90"`, `"id":"100"`, 11},
		{[]string{"--topic", "plant/1/temperature"}, `"id":"1",`, `"id":"100"`, 34},
		{[]string{"--topic", "plant/+/temperature", "--limit", "2"}, `"id":"1",`, `"id":"2"`, 2},
		{[]string{"--topic", "plant/2/#"}, `"id":"2",`, `"id":"98"`, 33},
		{[]string{"--topic", "plant/2"}, ``, ``, 0},
		{[]string{"--since", "10s"}, ``, ``, 0},
		{[]string{"--follow", "--limit", "3"}, `"id":"1",`, `"id":"3"`, 3},
	} {
		out, code, err := execute(newLogCommand(), append(append([]string{"dump"}, c.args...), data)...)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if out == "" {
			lines = nil
		}
		if code != 0 || len(lines) != c.n || c.n > 0 && (!strings.Contains(lines[0], c.first) || !strings.Contains(lines[c.n-1], c.last)) {
			t.Errorf("%v: %d lines, code %d, %v:\n%s", c.args, len(lines), code, err, out)
		}
	}
}

func TestLogBadInput(t *testing.T) {
	data, _ := newData(t, 1, true)
	empty := t.TempDir()
	for want, args := range map[string][]string{
		"esc log dump takes one folder":       {"dump"},
		"no log here":                         {"dump", empty},
		"verify takes one folder":             {"verify", data, data},
		"no such file":                        {"verify", filepath.Join(empty, "none")},
		"esc log has dump, verify, repair":    {"veriyf", data},
		`format "xml": use json, frames`:      {"dump", "--format", "xml", data},
		`--since "yesterday": give a time`:    {"dump", "--since", "yesterday", data},
		"--from and --since exclude each":     {"dump", "--since", "1m", "--from", "3", data},
		"is a file: name the folder it is in": {"stat", filepath.Join(store.EventsDir(data), "00000000000000000001.seg")},
		"NNN.seg":                             {"repair", empty},
	} {
		if out, code, err := execute(newLogCommand(), args...); code != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %s, code %d, %v, want %q", args, out, code, err, want)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"10m":                       now.Add(-10 * time.Minute),
		"2025-12-31T00:00:00.5Z":    time.Date(2025, 12, 31, 0, 0, 0, 5e8, time.UTC),
		"2026-01-02T03:04:05+02:00": now.Add(-2 * time.Hour),
	} {
		if got, err := parseSince(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
}
