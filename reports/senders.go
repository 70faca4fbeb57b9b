package reports

import (
	"fmt"

	"eventstreamcore/reports/record"
)

// senderLine is a host that sent, in a line.
func senderLine(s record.Sender) string {
	if s.Lost != "" {
		return oneSpaced(fmt.Sprintf("%s to %s: LOST: %s", s.Agent, s.Target, s.Lost))
	}
	return oneSpaced(fmt.Sprintf("%s (%s) to %s: %s, clock known to ±%s, its own to %s", s.Agent, s.Host.Name, s.Target, s.Fitness,
		figure(float64(s.BoundNs), "ns"), figure(float64(s.ResidualNs), "ns")))
}

// sendersTable is the hosts that sent a load together.
func sendersTable(senders []record.Sender) *table {
	t := &table{Caption: "Hosts that sent: each timed its own events by its own clock; between clocks, what is said of one on another is wrong by at most the bound",
		Head: heads("agent", "host", "sent to", "fitness", "#clock ahead", "#bound", "#own clock off", "remarks")}
	for _, s := range senders {
		cells := []cell{{Text: oneSpaced(s.Agent)}, {Text: oneSpaced(s.Host.Name), About: oneSpaced(s.Host.CPU)}, {Text: oneSpaced(s.Target)}, {}, {}, {}, {}, {}}
		if s.Lost != "" {
			cells[7] = cell{Text: "LOST: " + oneSpaced(s.Lost), Class: "why"}
		} else {
			cells[3] = cell{Text: s.Fitness, Class: verdictClass[s.Fitness]}
			cells[4] = number(signed(s.OffsetNs), float64(s.OffsetNs))
			cells[5] = number("±"+figure(float64(s.BoundNs), "ns"), float64(s.BoundNs))
			cells[6] = number(figure(float64(s.ResidualNs), "ns"), float64(s.ResidualNs))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// signed is a time that may lie before another.
func signed(ns int64) string {
	if ns < 0 {
		return "-" + figure(float64(-ns), "ns")
	}
	return figure(float64(ns), "ns")
}
