package engine_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
)

// TestAFollowerSeesItsTopics, of its priority and above, from every lane.
func TestAFollowerSeesItsTopics(t *testing.T) {
	e, _ := running(t, smallConfig(t))
	f, err := e.Follow("plant/+/temp", event.Low)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range []event.Priority{event.Batch, event.Low, event.Medium, event.Critical} {
		for _, topic := range []string{"plant/1/temp", "plant/1/speed", "plant/temp"} {
			if err := e.Publish(t.Context(), topic, []byte(p.String()), p); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := map[string]bool{}
	for range 3 {
		got, err := f.Next(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", seen, err)
		}
		if string(got.Topic) != "plant/1/temp" || string(got.Payload) != got.Priority.String() {
			t.Errorf("followed %s %s %v", got.Topic, got.Payload, got.Priority)
		}
		seen[string(got.Payload)] = true
	}
	if len(seen) != 3 || seen["BATCH"] || f.Lost() != 0 {
		t.Errorf("saw %v, lost %d; want LOW, MEDIUM and CRITICAL, and none", seen, f.Lost())
	}
	if _, err := e.Follow("a/#/b", event.Batch); err == nil {
		t.Error("a pattern with # in its middle was taken")
	}
}

// TestASlowFollowerLosesAndKnows: the lanes do not wait for it.
func TestASlowFollowerLosesAndKnows(t *testing.T) {
	e, stop := running(t, smallConfig(t))
	f, _ := e.Follow("#", event.Batch)
	const sent = 1500
	for range sent {
		if err := e.Publish(t.Context(), "t", nil, event.Medium); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := uint64(0)
	for seen+f.Lost() < sent {
		if _, err := f.Next(ctx); err != nil {
			t.Fatal(err)
		}
		seen++
	}
	cancel()
	if f.Lost() == 0 {
		t.Errorf("saw all %d events through a queue of 1024", seen)
	}
}

// TestAlerts: a line in the log, a webhook, and one that fails.
func TestAlerts(t *testing.T) {
	posts := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posts <- string(body)
	}))
	defer hook.Close()
	lines := make(lineWriter, 10)
	quiet := slog.New(slog.DiscardHandler)
	failing := process.NewAlert("fire/#", func(context.Context, *process.Event) error { return errors.New("nobody there") }, quiet)
	cfg := smallConfig(t)
	cfg.Alerts = []*process.Alert{
		process.NewAlert("fire/#", process.LogLine(slog.New(slog.NewTextHandler(lines, nil))), quiet),
		process.NewAlert("fire/#", process.Webhook(hook.URL), quiet),
		failing,
	}
	e, _ := running(t, cfg)
	if err := e.Publish(t.Context(), "fire/hall", []byte("smoke"), event.Critical); err != nil {
		t.Fatal(err)
	}
	if post := <-posts; !strings.Contains(post, `"topic":"fire/hall","payload":"smoke"`) {
		t.Errorf("posted %s", post)
	}
	if line := <-lines; !strings.Contains(line, "topic=fire/hall") {
		t.Errorf("logged %s", line)
	}
	for deadline := time.Now().Add(20 * time.Second); failing.Failed.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the failure was not counted")
		}
	}
}

type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}
