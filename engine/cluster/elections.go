package cluster

import (
	"sync"
	"time"
	_ "unsafe" // for go:linkname
)

// How long JetStream's followers wait for their leader before one of them
// stands is not among the server's options: 4 to 9 s, which was nearly all of an
// outage. Its own tests set these variables of its, and so do we: shorter, as
// long as a lease, which is how long a node may be silent here. A server without
// them does not link. They are the process's: its first node decides.

//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

// electionLeast is the least that a follower waits: the server's own tests go no
// lower, so that a disk that hesitates does not bring a leader down.
const electionLeast = 1500 * time.Millisecond

var hastened sync.Once

// hasten makes elections as patient as a lease. No server may run yet.
func hasten(lease time.Duration) {
	hastened.Do(func() {
		minElectionTimeout = max(lease*2/3, electionLeast)
		maxElectionTimeout = 2 * minElectionTimeout
		hbInterval = minElectionTimeout / 4
	})
}
