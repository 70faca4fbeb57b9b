package place

import (
	"fmt"
	"slices"
	"strings"
)

// crew is the threads that the roles make up on this machine.
type crew struct {
	threads [][]Role
	notes   []string
}

// ladder says how the engine's stages share threads, by the number of threads:
// ladder[n-1] has n groups. What comes in is kept apart first, for checksums
// and deduplication are most of the work; then realtime, for its latency.
var ladder = [][][]Role{
	{{Ingest, Dispatch, Realtime, Transactional, Batch, Store}},
	{{Ingest, Dispatch}, {Realtime, Transactional, Batch, Store}},
	{{Ingest, Dispatch}, {Realtime}, {Transactional, Batch, Store}},
	{{Ingest}, {Dispatch}, {Realtime}, {Transactional, Batch, Store}},
	{{Ingest}, {Dispatch}, {Realtime}, {Transactional, Batch}, {Store}},
	{{Ingest}, {Dispatch}, {Realtime}, {Transactional}, {Batch}, {Store}},
}

// assemble shares the roles out over as many threads as there are cores for:
// one core stays free for housekeeping where there are three, the generator
// has one of its own where there are two, and the sentinel one that is left.
func assemble(s *site, roles []Role) crew {
	var c crew
	spinners := s.cores
	if s.cores >= 3 {
		spinners--
	} else if slices.Contains(roles, Housekeeping) {
		c.notes = append(c.notes, fmt.Sprintf("%d core(s): none is left for housekeeping, which shares those of the hot roles", s.cores))
	}
	generator := slices.Contains(roles, Generator)
	alone := generator && spinners >= 2
	if alone {
		spinners--
	}
	c.threads = fuse(roles, spinners)
	if missing := wanted(roles) - len(c.threads); missing > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%d core(s) for %d stages: stages share threads", spinners, wanted(roles)))
	}
	switch {
	case alone, generator && len(c.threads) == 0:
		c.threads = append(c.threads, []Role{Generator})
	case generator:
		c.threads[0] = append([]Role{Generator}, c.threads[0]...)
		c.notes = append(c.notes, "the generator shares the engine's only core: oversubscribed, its figures cannot be judged")
	}
	if slices.Contains(roles, Sentinel) {
		if used := len(c.threads) - btoi(alone); used < spinners {
			c.threads = append(c.threads, []Role{Sentinel})
		} else {
			c.notes = append(c.notes, "no core is left for the sentinel: it is left out")
		}
	}
	return c
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wanted counts the stages asked for.
func wanted(roles []Role) (n int) {
	for _, r := range roles {
		if slices.Contains(stages, r) {
			n++
		}
	}
	return n
}

// fuse takes the rung of the ladder with the most groups that are not more than
// threads, of the stages asked for.
func fuse(roles []Role, threads int) (groups [][]Role) {
	for _, rung := range ladder {
		var fits [][]Role
		for _, group := range rung {
			left := slices.DeleteFunc(slices.Clone(group), func(r Role) bool { return !slices.Contains(roles, r) })
			if len(left) > 0 {
				fits = append(fits, left)
			}
		}
		if len(fits) > max(1, threads) {
			break
		}
		groups = fits
	}
	return groups
}

// name is what a thread is called: its roles, or engine when it has all stages.
func name(roles []Role) string {
	if wanted(roles) == len(stages) {
		return "engine"
	}
	texts := make([]string, len(roles))
	for i, r := range roles {
		texts[i] = string(r)
	}
	return strings.Join(texts, "+")
}
