package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTailShowsNothingThatATerminalObeys(t *testing.T) {
	const lines = `{"id":"7","received":"2026-01-02T03:04:05.000006Z","priority":"HIGH","topic":"plant/1","payload":"a\u001b[2J\nb"}
{"lost":3}
{"id":"8","received":"2026-01-02T03:04:05Z","priority":"LOW","topic":"a b\u0007","bytes":"/wA="}
`
	for _, test := range []struct {
		f    tailFlags
		want string
		n    int
	}{
		{tailFlags{}, `2026-01-02T03:04:05.000006Z HIGH 7 plant/1 "a\x1b[2J\nb"` + "\n" + `2026-01-02T03:04:05.000000Z LOW 8 "a b\a" "\xff\x00"` + "\n", 2},
		{tailFlags{count: 1}, `2026-01-02T03:04:05.000006Z HIGH 7 plant/1 "a\x1b[2J\nb"` + "\n", 1},
		{tailFlags{json: true, count: 1}, `{"id":"7","received":"2026-01-02T03:04:05.000006Z","priority":"HIGH","topic":"plant/1","payload":"a\u001b[2J\nb"}` + "\n", 1},
	} {
		var out, messages strings.Builder
		n, err := test.f.show(&out, &messages, strings.NewReader(lines))
		if err != nil || n != test.n || out.String() != test.want {
			t.Errorf("%+v: %d events, %v\n%swant\n%s", test.f, n, err, out.String(), test.want)
		}
		if test.f.count == 0 && messages.String() != "esc: 3 events lost so far: this reader is too slow\nesc: the server has ended\n" {
			t.Errorf("messages %q", messages.String())
		}
	}
	if _, err := (tailFlags{}).show(&strings.Builder{}, &strings.Builder{}, strings.NewReader("<html>")); err == nil {
		t.Error("what is no JSON was taken")
	}
}

// TestTailToken: the file's, or the environment's, which is also serve's.
func TestTailToken(t *testing.T) {
	t.Setenv("ESC_ADMIN_TOKEN", "of the environment")
	if token, err := (tailFlags{}).token(); token != "of the environment" || err != nil {
		t.Errorf("%q, %v", token, err)
	}
	file := write(t, "of the file\n")
	if token, err := (tailFlags{tokenFile: file}).token(); token != "of the file" || err != nil {
		t.Errorf("%q, %v", token, err)
	}
	if _, err := (tailFlags{tokenFile: file + "x"}).token(); err == nil {
		t.Error("a missing file was read")
	}
}

// TestTailRefusals: what the port says is asked wrongly is usage, what it cannot do
// is not.
func TestTailRefusals(t *testing.T) {
	for status, want := range map[int]int{http.StatusBadRequest: exitUsage, http.StatusUnauthorized: exitUnmeasured, http.StatusServiceUnavailable: exitUnmeasured} {
		port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "why", status) }))
		_, code, err := execute(newTailCommand(), "--admin", port.Listener.Addr().String())
		if code != want || err == nil || !strings.Contains(err.Error(), "why") {
			t.Errorf("status %d: exit %d, want %d: %v", status, code, want, err)
		}
		port.Close()
	}
	if _, code, err := execute(newTailCommand(), "--admin-token-file", "none/token"); code != exitUsage {
		t.Errorf("exit %d: %v", code, err)
	}
}
