package wire

import "encoding/binary"

// Outcome is what became of an event that asked for an answer.
type Outcome uint8

// The outcomes, by their numbers on the wire.
const (
	Stored       Outcome = 1 + iota // in the log's buffer: lost if the process dies
	Durable                         // on the disk
	Replicated                      // on the disks of a majority
	Duplicate                       // an equal id is at the level asked already
	Rejected                        // not taken, for the Reason
	DeadLettered                    // taken, then given up, for the Reason
	Folded                          // gone into the result of a window, which is stored in its stead

	// Outcomes is how many there are, with 0, which is none.
	Outcomes
)

var outcomeNames = [Outcomes]string{"none", "stored", "durable", "replicated", "duplicate", "rejected", "dead_lettered", "folded"}

func (o Outcome) String() string {
	if o >= Outcomes {
		return "unknown"
	}
	return outcomeNames[o]
}

// Reason says why an event was rejected or dead-lettered. The log's dead
// letters carry the same numbers.
type Reason uint8

// The reasons, by their numbers on the wire.
const (
	ReasonNone Reason = iota
	ReasonMalformed
	ReasonBadChecksum
	ReasonTooLarge
	ReasonUnauthorised
	ReasonPaused
	ReasonQueueFull
	ReasonBackpressure
	ReasonEmergency
	ReasonProcessing
	ReasonExpired
	ReasonUnavailable
	ReasonStorage
	ReasonPriority

	// Reasons is how many there are.
	Reasons
)

var reasonNames = [Reasons]string{
	"none", "malformed", "bad_crc", "too_large", "unauthorised", "paused", "queue_full", "backpressure_drop",
	"emergency_drop", "processing_failed", "dedup_expired", "unavailable", "storage_failed", "priority_not_allowed",
}

func (r Reason) String() string {
	if r >= Reasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Mode is how the log that answered reaches its disk.
type Mode uint8

// The log's modes.
const (
	ModeGroup    Mode = iota // a sync a group: answers wait for it
	ModeInterval             // a sync every few milliseconds
	ModeOS                   // the kernel's own time
)

// Answer goes back to the connection of a frame that asked for one.
type Answer struct {
	ID      uint64 // the event's; 0 where the frame could not be read
	Outcome Outcome
	Reason  Reason
	Mode    Mode
}

const (
	answerBody = 12
	// AnswerSize is how many bytes an answer takes on the wire, with its length.
	AnswerSize = PrefixSize + answerBody
)

// Append writes the answer behind dst.
func (a *Answer) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, answerBody)
	dst = append(dst, markAnswer, byte(a.Outcome), byte(a.Reason), byte(a.Mode))
	return binary.BigEndian.AppendUint64(dst, a.ID)
}

// DecodeAnswer reads the answer at the start of b: OK, More, Hello (an answer
// to a hello: see DecodeWelcome) or BadAnswer. It takes AnswerSize bytes.
func DecodeAnswer(b []byte) (a Answer, s Status) {
	if len(b) < AnswerSize {
		return a, More
	}
	if binary.BigEndian.Uint32(b) != answerBody {
		return a, BadAnswer
	}
	a = Answer{ID: binary.BigEndian.Uint64(b[8:]), Outcome: Outcome(b[5]), Reason: Reason(b[6]), Mode: Mode(b[7])}
	switch {
	case b[4] == markHello:
		return a, Hello
	case b[4] != markAnswer, a.Outcome == 0, a.Outcome >= Outcomes, a.Reason >= Reasons, a.Mode > ModeOS:
		return a, BadAnswer
	}
	return a, OK
}
