package main

import (
	"github.com/puzpuzpuz/xsync/v4"

	"eventstreamcore/engine/event"
	"eventstreamcore/workloads"
)

// The rings below are handed handles one by one from another CPU. A peer that
// knows no batches is asked again for each.

type channel chan event.Ref

func newChannel() workloads.Ring { return make(channel, spscDepth) }

func (c channel) PushBatch(refs []event.Ref) int {
	for i, r := range refs {
		select {
		case c <- r:
		default:
			return i
		}
	}
	return len(refs)
}

func (c channel) PopBatch(refs []event.Ref) int {
	for i := range refs {
		select {
		case refs[i] = <-c:
		default:
			return i
		}
	}
	return len(refs)
}

func newLocked() workloads.Ring { return &locked{slots: make([]event.Ref, mpscDepth)} }

func (q *locked) PushBatch(refs []event.Ref) int { return pushEach(refs, q.push) }
func (q *locked) PopBatch(refs []event.Ref) int  { return popEach(refs, q.pop) }

type xsyncSPSC struct{ *xsync.SPSCQueue[event.Ref] }

func newXsyncSPSC() workloads.Ring { return xsyncSPSC{xsync.NewSPSCQueue[event.Ref](spscDepth)} }

func (q xsyncSPSC) PushBatch(refs []event.Ref) int { return pushEach(refs, q.TryEnqueue) }
func (q xsyncSPSC) PopBatch(refs []event.Ref) int  { return popEach(refs, q.TryDequeue) }

type xsyncMPMC struct{ *xsync.MPMCQueue[event.Ref] }

func newXsyncMPMC() workloads.Ring { return xsyncMPMC{xsync.NewMPMCQueue[event.Ref](mpscDepth)} }

func (q xsyncMPMC) PushBatch(refs []event.Ref) int { return pushEach(refs, q.TryEnqueue) }
func (q xsyncMPMC) PopBatch(refs []event.Ref) int  { return popEach(refs, q.TryDequeue) }

// xsyncUMPSC has no bound and no way to ask without waiting: it takes all and
// gives one at a time.
type xsyncUMPSC struct{ *xsync.UMPSCQueue[event.Ref] }

func newXsyncUMPSC() workloads.Ring { return xsyncUMPSC{xsync.NewUMPSCQueue[event.Ref]()} }

func (q xsyncUMPSC) PushBatch(refs []event.Ref) int {
	for _, r := range refs {
		q.Enqueue(r)
	}
	return len(refs)
}

func (q xsyncUMPSC) PopBatch(refs []event.Ref) int {
	refs[0] = q.Dequeue()
	return 1
}

func pushEach(refs []event.Ref, push func(event.Ref) bool) int {
	for i, r := range refs {
		if !push(r) {
			return i
		}
	}
	return len(refs)
}

func popEach(refs []event.Ref, pop func() (event.Ref, bool)) int {
	for i := range refs {
		r, ok := pop()
		if !ok {
			return i
		}
		refs[i] = r
	}
	return len(refs)
}
