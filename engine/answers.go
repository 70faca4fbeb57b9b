package engine

import (
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// promise is what this engine can answer a frame: no more than stored where the
// kernel alone decides when the log is synced, else durable, or replicated if
// somebody watches over that.
func (c *Config) promise() ingest.Promise {
	p := ingest.Promise{Level: wire.LevelDurable, Mode: wire.Mode(c.Log.Mode)}
	switch {
	case c.Log.Mode == store.OS:
		p.Level = wire.LevelStored
	case c.Replicated != nil:
		p.Level = wire.LevelReplicated
	}
	return p
}

// answer makes the storer answer the clients.
func (e *Engine) answer() {
	if e.cfg.Replicated != nil {
		e.cfg.Replicated.Bell = e.staff.bells[Store]
	}
	e.storer.Answer(&e.askers, ingest.Questions, e.cfg.Replicated)
}
