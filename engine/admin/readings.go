package admin

import (
	"runtime"
	"strconv"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
)

// sink takes readings, with shorthands for the kinds. Labels come as name,
// value, name, value.
type sink func(metrics.Reading)

func (emit sink) count(name, help string, value float64, labels ...string) {
	emit(metrics.Reading{Name: name, Help: help, Kind: metrics.Count, Value: value, Labels: pairs(labels)})
}

func (emit sink) level(name, help string, value float64, labels ...string) {
	emit(metrics.Reading{Name: name, Help: help, Kind: metrics.Level, Value: value, Labels: pairs(labels)})
}

func (emit sink) spread(name, help string, s *metrics.Snapshot, labels ...string) {
	emit(metrics.Reading{Name: name, Help: help, Kind: metrics.Spread, Spread: s, Labels: pairs(labels)})
}

func pairs(labels []string) (all []metrics.Label) {
	for i := 0; i+1 < len(labels); i += 2 {
		all = append(all, metrics.Label{Name: labels[i], Value: labels[i+1]})
	}
	return all
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// read is the engine as a source of readings: first those under the names of the
// original, which dashboards know, then ours, with the prefix esc_ and in base units.
func (s *Server) read(to func(metrics.Reading)) {
	emit, now := sink(to), s.sample()
	s.readOriginals(emit, now)
	s.readFlow(emit, now)
	s.readLanes(emit, now)
	s.readThreads(emit, now)
	s.readPlane(emit)
	emit.level("esc_build_info", "Always 1; the labels tell the build.", 1, "version", s.config.Version, "go", runtime.Version())
	emit.level("esc_ready", "1 while every thread runs and nobody has asked the engine to stop.", truth(s.running() && !s.stopping.Load()))
}

func (s *Server) readOriginals(emit sink, now sample) {
	t := now.totals()
	emit.count("events_received_total", "Events taken in, by every way.", t.Received)
	emit.count("events_processed_total", "Events that their lane's processor has let go of.", t.Processed)
	depths := s.engine.Depths()
	for i := range event.Lane(event.Lanes) {
		emit.level("queue_depth_"+i.String(), "Events that wait for the processor of the "+i.String()+" lane.", float64(depths[i].Routed))
		emit.spread("latency_ns_"+i.String(), "Time from received to processed in the "+i.String()+" lane, in nanoseconds.", now.processed[i])
	}
}

func (s *Server) readFlow(emit sink, now sample) {
	emit.count("esc_events_stored_total", "Events appended to the log.", float64(now.stats.Stored))
	emit.count("esc_received_bytes_total", "Bytes of the frames taken in.", float64(now.stats.Bytes))
	emit.level("esc_events_in_flight", "Events taken in and not stored.", float64(now.stats.InFlight()))
	emit.level("esc_log_sequence", "The last sequence handed to the kernel (written) and known to be on the disk (durable).", float64(now.stats.Written), "reached", "written")
	emit.level("esc_log_sequence", "The last sequence handed to the kernel (written) and known to be on the disk (durable).", float64(now.stats.Durable), "reached", "durable")
	const held = "Times that a sender was held back, because a lane was full or a pool had no slot."
	emit.count("esc_senders_held_total", held, float64(now.stats.LaneFull), "cause", "lane_full")
	emit.count("esc_senders_held_total", held, float64(now.stats.NoSlot), "cause", "no_slot")
}

func (s *Server) readLanes(emit sink, now sample) {
	depths := s.engine.Depths()
	for i := range event.Lane(event.Lanes) {
		name := i.String()
		const latency = "Time from received to processed, and from received to stored, in seconds."
		emit.spread("esc_latency_seconds", latency, now.processed[i], "lane", name, "until", "processed")
		emit.spread("esc_latency_seconds", latency, now.stored[i], "lane", name, "until", "stored")
		emit.count("esc_sla_missed_total", "Events processed later than their lane's SLA.", float64(now.stats.Missed[i]), "lane", name)
		emit.level("esc_sla_seconds", "The lane's SLA, from received to processed.", engine.SLAs[i].Seconds(), "lane", name)
		emit.level("esc_queue_depth_events", "Events that wait in the lane, for its processor or behind it for the store.", float64(depths[i].Routed), "lane", name, "before", "processor")
		emit.level("esc_queue_depth_events", "Events that wait in the lane, for its processor or behind it for the store.", float64(depths[i].Processed), "lane", name, "before", "store")
		emit.level("esc_queue_capacity_events", "Events that the lane holds.", float64(depths[i].Capacity), "lane", name)
	}
}

func (s *Server) readThreads(emit sink, now sample) {
	for i, task := range now.usage.tasks {
		t := s.engine.Threads()[i]
		name := t.Name()
		emit.level("esc_thread_info", "Always 1; the labels tell the thread's id and the CPU that it is pinned to (-1: none).", 1, "thread", name, "id", strconv.Itoa(t.ID), "cpu", strconv.Itoa(t.CPU()))
		emit.count("esc_thread_cpu_seconds_total", "CPU time of the engine's thread.", task.cpuSeconds, "thread", name)
		const switches = "Context switches of the engine's thread: it slept (voluntary), or another was given its CPU."
		emit.count("esc_thread_context_switches_total", switches, float64(task.voluntary), "thread", name, "kind", "voluntary")
		emit.count("esc_thread_context_switches_total", switches, float64(task.involuntary), "thread", name, "kind", "involuntary")
	}
}

func (s *Server) readPlane(emit sink) {
	if s.config.Plane == nil {
		return
	}
	status := s.config.Plane.Status()
	for state := range control.State(control.States) {
		emit.level("esc_pipeline_state", "1 for the state that the engine is in, 0 for the others.", truth(status.Decision.State == state), "state", state.String())
	}
	emit.level("esc_pipeline_state_manual", "1 while the state is held by hand.", truth(status.Manual))
	emit.level("esc_pipeline_depth_ratio", "Depth of the fullest lane against its bound, as last evaluated.", status.Figures.Depth)
	emit.level("esc_pipeline_drop_ratio", "Events dropped against anyone's will in the last second, as a share of those received.", status.Figures.DropRate)
}
