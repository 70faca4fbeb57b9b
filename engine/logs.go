package engine

import (
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// keeper is what the engine asks of a log, beyond what stages do with it.
type keeper interface {
	Gathered() uint64
	Written() uint64
	Durable() uint64
	Full() bool
	Damage() *store.Damage // the first that a look at old segments has found
	Err() error
	Counts() store.Counts
	Release(first uint64)
	Close() error
}

// letterKeeper is the log of dead letters.
type letterKeeper interface {
	process.LetterLog
	keeper
}

// LogState is where a log stands. Counts are since the engine was made.
type LogState struct {
	Appended, Written, Durable uint64 // the last sequences: in memory, with the kernel, on the disk
	store.Counts
	store.Usage
	Full bool  // no room on the disk: what is gathered waits for some
	Err  error // why it takes no more, or nil
}

// Logs are the states of the log of events and of that of the dead letters, of
// which the folders are looked at. Any goroutine may call it.
func (e *Engine) Logs() (events, dead LogState) {
	return stateOf(e.log, e.cfg.Log.Dir), stateOf(e.dead.log, e.cfg.Dead.Dir)
}

func stateOf(k keeper, dir string) LogState {
	usage, _ := store.ReadUsage(dir) // what cannot be had stays zero
	return LogState{
		Appended: k.Gathered(), Written: k.Written(), Durable: k.Durable(),
		Counts: k.Counts(), Usage: usage, Full: k.Full(), Err: k.Err(),
	}
}
