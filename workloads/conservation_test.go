package workloads

import (
	"strings"
	"testing"

	"eventstreamcore/engine"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// dropping is a way in that swallows the n-th event, and says that it took it.
type dropping struct {
	entrance
	left int
}

func (d *dropping) PublishBatch(events []ingest.Event) (int, error) {
	before := d.left
	if d.left -= len(events); before <= 0 || d.left > 0 {
		return d.entrance.PublishBatch(events)
	}
	taken, err := d.entrance.PublishBatch(events[1:])
	return taken + 1, err
}

// TestADroppedEventMakesTheTrialInvalid drops one event of a trial on purpose:
// the trial is kept, does not count, and says what is missing; the next counts.
func TestADroppedEventMakesTheTrialInvalid(t *testing.T) {
	b := small(t)
	if len(b.Allowed) < 2 {
		t.Skip("needs two CPUs")
	}
	p, err := b.newPacedRig(engine.Fused(b.Hot, duty.Spin), standardEvent(event.High, pipelinePayload), forLatency, pacedLeast)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	publisher := p.generator.into
	schedule := drive.Schedule{Rate: 20_000}
	p.generator.into = &dropping{entrance: publisher, left: 1234}
	run, err := p.run(b, schedule, pacedLeast)
	wrong := run.wrong
	if err != nil || !strings.Contains(wrong, "of 4096 events sent 4095 were received and 4095 stored") {
		t.Fatalf("an event was dropped: %q, %v", wrong, err)
	}
	rows := b.rows(record.Row{Workload: "pipeline"}, Cell{}, []Outcome{{Trial: record.Trial{Invalid: wrong}}})
	if len(rows) != 1 || len(rows[0].Trials) != 1 || len(rows[0].Valid()) != 0 {
		t.Errorf("the trial is not kept as invalid: %+v", rows)
	}
	p.generator.into = publisher
	for range 10 {
		run, err = p.run(b, schedule, pacedLeast)
		if err != nil {
			t.Fatal(err)
		}
		wrong = run.wrong
		if !strings.Contains(wrong, "generator itself") {
			break
		}
	}
	if strings.Contains(wrong, "generator itself") {
		t.Skip("too busy a machine for a trial that counts: ", wrong)
	}
	if wrong != "" {
		t.Errorf("nothing was dropped: %q", wrong)
	}
}
