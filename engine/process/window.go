package process

// window is a stretch of time and what happened in it, by topic.
type window struct {
	start, end int64 // ns since 1970
	topics     map[string]*aggregate
	rest       *aggregate // of the topics beyond the bound
	full       bool       // there were more topics than the bound: a new one is one of the rest
	last       *aggregate // where the last event went: the next is likely of its topic
}

func (w *window) begin(start, end int64) {
	topics := w.topics
	if clear(topics); topics == nil {
		topics = map[string]*aggregate{}
	}
	*w = window{start: start, end: end, topics: topics}
}

func (w *window) holds(at int64) bool { return at >= w.start && at < w.end }

// appendTo appends the window's aggregates, which then know their window.
func (w *window) appendTo(closed []*aggregate) []*aggregate {
	from := len(closed)
	for _, g := range w.topics {
		closed = append(closed, g)
	}
	if w.rest != nil {
		closed = append(closed, w.rest)
	}
	for _, g := range closed[from:] {
		g.start, g.end = w.start, w.end
	}
	return closed
}

// aggregate is the topic's in the window.
func (a *Aggregator) aggregate(w *window, topic []byte) *aggregate {
	if w.last != nil && w.last.topic == string(topic) {
		return w.last
	}
	g := w.topics[string(topic)]
	if g == nil {
		g = a.begin(w, topic)
	}
	w.last = g
	return g
}

// begin makes the aggregate of a topic that is new in the window, or finds it
// that of the rest.
func (a *Aggregator) begin(w *window, topic []byte) *aggregate {
	w.full = w.full || a.used >= a.windows.Topics
	if !w.full && len(topic) <= windowTopicMax {
		g := a.fresh(string(topic))
		w.topics[g.topic] = g
		a.used++
		return g
	}
	if w.rest == nil {
		w.rest = a.fresh("")
	}
	return w.rest
}

// fresh is an empty aggregate.
func (a *Aggregator) fresh(topic string) *aggregate {
	g := new(aggregate)
	if n := len(a.spare); n > 0 {
		g, a.spare = a.spare[n-1], a.spare[:n-1]
	}
	values := g.values
	*g = aggregate{topic: topic, values: values}
	if a.value != "" {
		if values == nil {
			g.values = new(spread)
		} else {
			*values = spread{}
		}
	}
	return g
}
