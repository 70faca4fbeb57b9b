package cluster

import (
	"testing"
	"time"
)

// stock is what the server comes with, read before any was started.
var stock = [3]time.Duration{minElectionTimeout, maxElectionTimeout, hbInterval}

// TestElectionsAreTheServersOwn: what is set is what the server goes by, and not
// a variable of ours beside it.
func TestElectionsAreTheServersOwn(t *testing.T) {
	if stock != [3]time.Duration{4 * time.Second, 9 * time.Second, time.Second} {
		t.Errorf("the server's followers wait %v: docs/scale.md says 4 to 9 s, and hasten was made for that", stock)
	}
	alone(t, t.TempDir(), Source{})
	if minElectionTimeout < electionLeast || maxElectionTimeout != 2*minElectionTimeout || hbInterval > minElectionTimeout/3 {
		t.Errorf("now they wait %v to %v, with a beat each %v", minElectionTimeout, maxElectionTimeout, hbInterval)
	}
}
