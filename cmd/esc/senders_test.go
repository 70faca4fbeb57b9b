package main

import (
	"errors"
	"strings"
	"testing"

	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/agent"
)

// TestAgentsStartTogether: by the commander's clock, whatever theirs show, all begin
// within the time between two events of the whole load.
func TestAgentsStartTogether(t *testing.T) {
	const now, rate = int64(5e12), 1000
	offsets := []int64{0, -7e9, 3e9, 12}
	s := &senders{rate: rate}
	for _, o := range offsets {
		s.all = append(s.all, &sender{offset: agent.Offset{Low: o - 40, High: o + 40}})
	}
	s.plan(now)
	for i, a := range s.all {
		after := a.startAt - offsets[i] - now - startIn.Nanoseconds()
		if want := int64(i) * 1e9 / rate; after != want {
			t.Errorf("agent %d begins %d ns after the first was to, want %d", i, after, want)
		}
	}
}

// TestAnAgentLostUnderWayVoidsTheTrial: what the others sent is kept, names who went,
// and counts for nothing.
func TestAnAgentLostUnderWayVoidsTheTrial(t *testing.T) {
	load := func(name string) *sender {
		run := smallRun("A", 5)
		run.Rows[0].Trials = run.Rows[0].Trials[:1]
		return &sender{Sender: record.Sender{Agent: name}, run: run}
	}
	for _, stay := range []int{1, 2} {
		s := &senders{rate: 1000}
		for i := range stay {
			s.all = append(s.all, load(string(rune('a'+i))))
		}
		whole, err := s.together()
		if err != nil || len(whole.Rows) == 0 {
			t.Fatalf("%d rows: %v", len(whole.Rows), err)
		}
		for _, row := range whole.Rows {
			if why := row.Trials[0].Invalid; why != "" {
				t.Errorf("with all of %d: %q", stay, why)
			}
		}
		gone := load("z")
		gone.err = errors.New("agent z: connection reset")
		s.all = append(s.all, gone)
		short, err := s.together()
		if err != nil || len(short.Rows) == 0 {
			t.Fatalf("%d rows: %v", len(short.Rows), err)
		}
		for _, row := range short.Rows {
			if why := row.Trials[0].Invalid; !strings.Contains(why, "agent z") || row.Trials[0].N == 0 {
				t.Errorf("%s of %d, without the other: %q, of %d events", row.Name(), stay, why, row.Trials[0].N)
			}
		}
	}
}
