package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
)

// TestServeReadsItsPlacementBack: a pinned engine says where it is, and keeps
// the runtime's threads elsewhere.
func TestServeReadsItsPlacementBack(t *testing.T) {
	allowed, err := cpu.Allowed()
	if err != nil {
		t.Skip(err)
	}
	on := allowed[len(allowed)-1]
	p := serveProcess(t, t.TempDir(), "--cpus", fmt.Sprint(on))
	want := regexp.MustCompile(fmt.Sprintf(`engine \(thread \d+\): planned on CPU %d, may run on %d, ran on %d"\n(.*other thread.*\n)+.*pool 0: planned on any node, `, on, on, on))
	for limit := time.Now().Add(patience); !want.MatchString(p.messages()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the placement is not read back: %s", p.messages())
		}
	}
	if others := regexp.MustCompile(`other thread\(s\): may run on ([0-9,-]+), ran`).FindStringSubmatch(p.messages()); len(allowed) == 2 && (others == nil || others[1] != fmt.Sprint(allowed[0])) {
		t.Errorf("the runtime's threads are not on the other CPU: %s", p.messages())
	}
	if code, _ := p.terminate(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.messages())
	}
}

// TestSettleInRefuses moves a thread of a running engine off its CPU: that is
// found, and is an error.
func TestSettleInRefuses(t *testing.T) {
	allowed, err := cpu.Allowed()
	if err != nil || len(allowed) < 2 {
		t.Skip("needs two CPUs")
	}
	cfg := engine.Default(t.TempDir())
	cfg.Plan, cfg.Logger = engine.Fused(allowed[1], duty.Park), slog.New(slog.DiscardHandler)
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	defer func() { stop(); <-ended }()
	<-e.Running()
	defer func() { _ = cpu.Confine(nil, allowed...) }()
	if err := cpu.Confine(nil, allowed[0]); err != nil {
		t.Fatal(err)
	}
	err = settleIn(e, cfg.Logger)
	var coded *exitError
	if err == nil || !strings.Contains(err.Error(), "placement is not the plan's: engine (thread ") || !errors.As(err, &coded) || coded.code != exitUnfit {
		t.Errorf("a thread on another CPU than planned: %v", err)
	}
}
