package ingest

// gaps remembers the highest counter of each producer, to tell what is missing.
// It knows so many producers; one more pushes out another, whose next event then
// shows no gap.
type gaps struct {
	producers [gapPlaces]uint32 // 0 is none
	counters  [gapPlaces]uint64
}

const (
	gapPlaces = 1 << 12
	gapProbes = 8
)

// note takes the id of an event that came in: how many of its producer's ids
// before it are missing, whether it is late, and whether a producer was forgotten for it.
func (g *gaps) note(id uint64) (missing, late, forgot uint64) {
	producer, counter := uint32(id>>40), id&counterMask
	if producer == 0 {
		return 0, 0, 0 // the server's own, sent back: they are nobody's sequence
	}
	place, forgot := g.find(producer)
	seen := g.counters[place]
	switch {
	case g.producers[place] != producer:
		g.producers[place], g.counters[place] = producer, counter
	case counter > seen:
		missing = counter - seen - 1
		g.counters[place] = counter
	default:
		late = 1
	}
	return missing, late, forgot
}

// find is the producer's place, or the one that it may take.
func (g *gaps) find(producer uint32) (place uint32, forgot uint64) {
	home := producer * 0x9E3779B1 >> 20 // the top 12 bits
	for i := range uint32(gapProbes) {
		place = (home + i) % gapPlaces
		if known := g.producers[place]; known == producer || known == 0 {
			return place, 0
		}
	}
	return home, 1
}
