package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Alert tells somebody of the events of a topic, off the lane: it copies them
// into a bounded queue, from which a goroutine of its own delivers them. Who is
// too slow misses some, and that is counted; the lane never waits.
type Alert struct {
	Delivered atomic.Uint64
	Failed    atomic.Uint64

	mailbox
	pattern string
	deliver Deliver
	log     *slog.Logger
}

// Deliver tells somebody of one event.
type Deliver func(context.Context, *Event) error

// NewAlert delivers the events of the topics that match the pattern. What could
// not be delivered is logged.
func NewAlert(pattern string, deliver Deliver, log *slog.Logger) *Alert {
	return &Alert{mailbox: newMailbox(), pattern: pattern, deliver: deliver, log: log}
}

// Handler is what goes on the lane.
func (a *Alert) Handler() Handler {
	return Handler{Pattern: a.pattern, Handle: func(e *Event) error {
		a.put(e)
		return nil
	}}
}

// Run delivers until ctx is done.
func (a *Alert) Run(ctx context.Context) {
	for {
		select {
		case e := <-a.events:
			a.taken(&e)
			if err := a.deliver(ctx, &e); err != nil {
				a.Failed.Add(1)
				a.log.Warn("alert was not delivered", "topic", string(e.Topic), "id", e.ID, "error", err)
				continue
			}
			a.Delivered.Add(1)
		case <-ctx.Done():
			return
		}
	}
}

// LogLine delivers to a log.
func LogLine(log *slog.Logger) Deliver {
	return func(_ context.Context, e *Event) error {
		log.Warn("alert", "topic", string(e.Topic), "id", e.ID, "priority", e.Priority.String(), "bytes", len(e.Payload))
		return nil
	}
}

// webhookTime bounds one delivery.
const webhookTime = 5 * time.Second

// Webhook delivers by a POST of JSON: id, priority, received_ns, topic, and the
// payload as text where it is UTF-8, else as payload_base64.
func Webhook(url string) Deliver {
	client := &http.Client{Timeout: webhookTime}
	return func(ctx context.Context, e *Event) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.json()))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
		answer.Body.Close()
		if answer.StatusCode >= 300 {
			return fmt.Errorf("%s answered %s", url, answer.Status)
		}
		return nil
	}
}

func (e *Event) json() []byte {
	form := struct {
		ID       uint64 `json:"id"`
		Priority string `json:"priority"`
		Received int64  `json:"received_ns"`
		Topic    string `json:"topic"`
		Text     string `json:"payload,omitempty"`
		Bytes    []byte `json:"payload_base64,omitempty"`
	}{ID: e.ID, Priority: e.Priority.String(), Received: e.Wall, Topic: string(e.Topic)}
	if utf8.Valid(e.Payload) {
		form.Text = string(e.Payload)
	} else {
		form.Bytes = e.Payload
	}
	b, _ := json.Marshal(form) // nothing in it can fail
	return b
}
