package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
)

const (
	tailsMax  = 8               // each costs the lanes a copy of every event that it sees
	tailWrite = 5 * time.Second // a reader that takes nothing for so long is cut off
)

// Followed is one line of /tail: an event, or how many the reader has lost by now.
type Followed struct {
	ID       string    `json:"id,omitempty"` // in decimal: as a number, many readers of JSON would round it
	Received time.Time `json:"received,omitzero"`
	Priority string    `json:"priority,omitempty"`
	Topic    string    `json:"topic,omitempty"`
	Payload  string    `json:"payload,omitempty"` // where it is UTF-8,
	Bytes    []byte    `json:"bytes,omitempty"`   // else here, in base 64
	Lost     uint64    `json:"lost,omitempty"`
}

// tail streams processed events as lines of JSON: those of topics that match
// ?topic (default #), of ?priority (default BATCH) or higher, from now on.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) {
	select {
	case s.tails <- struct{}{}:
		defer func() { <-s.tails }()
	default:
		http.Error(w, fmt.Sprintf("%d follow the engine already, which is the limit", tailsMax), http.StatusServiceUnavailable)
		return
	}
	f, err := s.follow(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err := send(w); err != nil {
		return
	}
	stream(r.Context(), w, f)
}

func (s *Server) follow(r *http.Request) (*process.Follower, error) {
	query := r.URL.Query()
	least, err := event.ParsePriority(cmp.Or(query.Get("priority"), event.Batch.String()))
	if err != nil {
		return nil, err
	}
	return s.engine.Follow(cmp.Or(query.Get("topic"), "#"), least)
}

// stream sends what f sees until ctx is done or the reader is gone or too slow.
func stream(ctx context.Context, w http.ResponseWriter, f *process.Follower) {
	var lost uint64
	for {
		e, err := f.Next(ctx)
		if err != nil {
			return
		}
		lines := []Followed{followed(e)}
		if n := f.Lost(); n != lost {
			lines, lost = append(lines, Followed{Lost: n}), n
		}
		if send(w, lines...) != nil {
			return
		}
	}
}

// send writes the lines and sees them off.
func send(w http.ResponseWriter, lines ...Followed) error {
	to := http.NewResponseController(w)
	if err := to.SetWriteDeadline(time.Now().Add(tailWrite)); err != nil {
		return err
	}
	encoder := json.NewEncoder(w)
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return to.Flush()
}

func followed(e process.Event) Followed {
	line := Followed{ID: strconv.FormatUint(e.ID, 10), Received: time.Unix(0, e.Wall).UTC(), Priority: e.Priority.String(), Topic: string(e.Topic)}
	if utf8.Valid(e.Payload) {
		line.Payload = string(e.Payload)
	} else {
		line.Bytes = e.Payload
	}
	return line
}
