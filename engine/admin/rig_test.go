package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/store"
)

const secret = "0123456789abcdef-secret"

// rig is a running engine of a few MiB with its admin port.
type rig struct {
	*Server
	t      *testing.T
	engine *engine.Engine
	stop   func() error
}

func small(t *testing.T) engine.Config {
	cfg := engine.Default(t.TempDir())
	cfg.Pool = memory.Classes{{Size: 256, Count: 4096}, {Size: 2 << 10, Count: 64}, {Size: 64 << 10, Count: 4}, {Size: 1<<20 + 4<<10, Count: 2}}
	cfg.Log.SegmentBytes, cfg.Log.Mode = 1<<20, store.OS
	cfg.Windows.Span = 0 // no events but those that a test sends
	cfg.Drain, cfg.Logger = 20*time.Second, slog.New(slog.DiscardHandler)
	return cfg
}

// standing is a port on an engine that does not run yet; run starts it.
func standing(t *testing.T, c Config) (r *rig, run func()) {
	t.Helper()
	cfg := small(t)
	if runtime.GOOS == "linux" { // elsewhere there is none
		cfg.TCP.Address = "127.0.0.1:0"
	}
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Address, c.Log, c.Version = "127.0.0.1:0", slog.New(slog.DiscardHandler), "test"
	s, err := Listen(c, e)
	if err != nil {
		t.Fatal(errors.Join(err, e.Close()))
	}
	r = &rig{Server: s, t: t, engine: e}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	ended <- nil
	r.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, s.Close(), e.Close())
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r, func() {
		t.Helper()
		<-ended
		go func() { ended <- e.Run(ctx) }()
		select {
		case <-e.Running():
		case err := <-ended:
			ended <- nil
			t.Fatalf("engine did not start: %v", err)
		}
	}
}

func running(t *testing.T, c Config) *rig {
	t.Helper()
	r, run := standing(t, c)
	run()
	return r
}

// publish hands n events to the engine, of all priorities in turn.
func (r *rig) publish(n int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for i := range n {
		if err := r.engine.Publish(ctx, "test/topic", []byte("payload"), event.Priority(i%event.Priorities)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// settle waits until everything published is stored.
func (r *rig) settle(n uint64) {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); r.engine.Stats().Stored < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("stored %d of %d", r.engine.Stats().Stored, n)
		}
	}
}

// request is one to the port; headers come as name, value, name, value. Host is
// taken from among them.
func (r *rig) request(method, path, body string, headers ...string) (status int, header http.Header, text string) {
	r.t.Helper()
	q, err := http.NewRequest(method, "http://"+r.Address.String()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			q.Host = headers[i+1]
		}
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(all)
}

func (r *rig) get(path string) string {
	r.t.Helper()
	status, _, text := r.request("GET", path, "", "Authorization", "Bearer "+r.config.Token)
	if status != http.StatusOK {
		r.t.Fatalf("%s: status %d: %s", path, status, text)
	}
	return text
}
