package wire

import "eventstreamcore/engine/event"

// A receipt is an answer on its way back, from the stage that knows it to the
// worker that has the connection: one word of RefBits, so that it travels by the
// rings that events travel by.
//
//	bits  0-31  the event's Header.Answer
//	bits 32-39  outcome
//	bits 40-47  reason
//	bits 48-55  mode

// NewReceipt answers the event whose header says answer, which must not be 0.
func NewReceipt(answer uint32, o Outcome, r Reason, m Mode) event.Ref {
	return event.Ref(answer) | event.Ref(o)<<32 | event.Ref(r)<<40 | event.Ref(m)<<48
}

// ReadReceipt takes a receipt apart; the Answer still lacks its ID.
func ReadReceipt(r event.Ref) (answer uint32, a Answer) {
	return uint32(r), Answer{Outcome: Outcome(r >> 32 & 0xff), Reason: Reason(r >> 40 & 0xff), Mode: Mode(r >> 48 & 0xff)}
}
