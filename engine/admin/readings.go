package admin

import (
	"runtime"
	"strconv"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
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
	s.readLogs(emit)
	s.readClients(emit)
	s.readDatagrams(emit)
	s.readFiles(emit)
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
	emit.count("events_dropped_total", "Events given up on, for any reason.", t.Dropped)
	emit.count("dedup_hits", "Events released because their id had succeeded before.", t.Duplicate)
	emit.count("backpressure_drops", "Events given up on by order of the control plane, to relieve the engine.", float64(now.stats.Dropped[wire.ReasonBackpressure]))
	depths := s.engine.Depths()
	for i := range event.Lane(event.Lanes) {
		emit.level("queue_depth_"+i.String(), "Events that wait for the processor of the "+i.String()+" lane.", float64(depths[i].Routed))
		emit.spread("latency_ns_"+i.String(), "Time from received to processed in the "+i.String()+" lane, in nanoseconds.", now.processed[i])
	}
}

func (s *Server) readFlow(emit sink, now sample) {
	stats := now.stats
	const fates = "Events that have met their fate; received and created together are these and those in flight."
	for fate, n := range map[string]uint64{"stored": stats.Stored, "captured": stats.Captured, "uncaptured": stats.Uncaptured, "duplicate": stats.Duplicates, "folded": stats.Folded} {
		emit.count("esc_events_settled_total", fates, float64(n), "fate", fate)
	}
	for reason := wire.ReasonNone + 1; reason < wire.Reasons; reason++ {
		emit.count("esc_events_dropped_total", "Events given up on, those that wait to be written as dead letters included.", float64(stats.Dropped[reason]), "reason", reason.String())
	}
	emit.count("esc_events_created_total", "Events that the engine made: results of windows.", float64(stats.Created))
	emit.count("esc_received_bytes_total", "Bytes of the frames taken in.", float64(stats.Bytes))
	emit.level("esc_events_in_flight", "Events taken in or made that have not met their fate.", float64(stats.InFlight()))
	damaged := 0.0
	if stats.Damaged {
		damaged = 1
	}
	emit.level("esc_log_damaged", "1 once the scrub has found damage in what was written long ago: esc log verify says where.", damaged)
	const held = "Times that a sender was held back, because a lane was full or a pool had no slot."
	emit.count("esc_senders_held_total", held, float64(stats.LaneFull), "cause", "lane_full")
	emit.count("esc_senders_held_total", held, float64(stats.NoSlot), "cause", "no_slot")
	emit.count("esc_transactions_retried_total", "Attempts at transactions beyond the first.", float64(stats.Retried))
	emit.count("esc_transactions_unremembered_total", "Transactions that went on without their id being remembered, for want of room.", float64(stats.Crowded))
	emit.count("esc_window_events_late_total", "Batch events that came behind the end of their window.", float64(stats.Late))
	emit.count("esc_window_events_untimed_total", "Batch events in no window, for their time field held no time that can be.", float64(stats.Untimed))
	emit.count("esc_window_events_valueless_total", "Batch events in windows whose value field held no number.", float64(stats.Valueless))
	emit.level("esc_dedup_held_seconds", "How long ids are really remembered.", stats.DedupHeld.Seconds())
	emit.count("esc_handler_errors_total", "Errors of handlers on lanes that do not retry.", float64(stats.Alerted))
}

func (s *Server) readLogs(emit sink) {
	events, dead := s.engine.Logs()
	for name, l := range map[string]engine.LogState{"events": events, "dead": dead} {
		const reached = "The last sequence in the log's memory (appended), handed to the kernel (written) and known to be on the disk (durable)."
		emit.level("esc_log_sequence", reached, float64(l.Appended), "log", name, "reached", "appended")
		emit.level("esc_log_sequence", reached, float64(l.Written), "log", name, "reached", "written")
		emit.level("esc_log_sequence", reached, float64(l.Durable), "log", name, "reached", "durable")
		emit.count("esc_log_groups_total", "Groups written.", float64(l.Groups), "log", name)
		emit.count("esc_log_written_bytes_total", "Bytes of the groups written.", float64(l.Bytes), "log", name)
		emit.count("esc_log_syncs_total", "Times that the log was synced.", float64(l.Syncs), "log", name)
		emit.level("esc_log_segments", "Segments in the log's folder.", float64(l.Segments), "log", name)
		emit.count("esc_log_rotated_total", "Records let go of with the oldest segments, since the log was begun.", float64(max(l.First, 1)-1), "log", name)
		emit.level("esc_log_disk_free_bytes", "Bytes that the file system of the log has left.", float64(l.Free), "log", name)
		emit.level("esc_log_disk_size_bytes", "Bytes of the file system of the log.", float64(l.Size), "log", name)
		emit.level("esc_log_full", "1 while the log waits for room on its disk.", truth(l.Full), "log", name)
		emit.level("esc_log_failed", "1 once the log takes nothing more.", truth(l.Err != nil), "log", name)
	}
}

func (s *Server) readClients(emit sink) {
	c := s.engine.Clients()
	emit.level("esc_connections_open", "Connections to the frame port.", float64(c.Open()))
	emit.count("esc_connections_accepted_total", "Connections let in to the frame port.", float64(c.Accepted))
	emit.count("esc_connections_refused_total", "Connections turned away from the frame port: a limit, or TLS that failed.", float64(c.Refused))
	const cut = "Connections that the server closed: too long for a frame (late), answers not read (unreading), HTTP or TLS (foreign), no frame (malformed)."
	for _, why := range []struct {
		cause string
		n     uint64
	}{{"late", c.Late}, {"unreading", c.Unreading}, {"foreign", c.Foreign}, {"malformed", c.Malformed - min(c.Foreign, c.Malformed)}} {
		emit.count("esc_connections_cut_off_total", cut, float64(why.n), "cause", why.cause)
	}
	emit.count("esc_connections_parked_total", "Times that a connection was set aside while transactions are paused.", float64(c.Parked))
	emit.count("esc_frames_cut_short_total", "Frames that their connection's end cut short.", float64(c.Cut))
	emit.count("esc_answers_total", "Answers sent.", float64(c.Answered))
	emit.count("esc_intended_untimely_total", "Trusted intended times that lay in the future or over 60 s back.", float64(c.Untimely))
	for reason := wire.ReasonNone + 1; reason < wire.Reasons; reason++ {
		emit.count("esc_frames_rejected_total", "Frames read and not taken in.", float64(c.Rejected[reason]), "reason", reason.String())
	}
}

func (s *Server) readDatagrams(emit sink) {
	if s.engine.DatagramAddr() == "" {
		return
	}
	d := s.engine.Datagrams()
	emit.count("esc_datagrams_received_total", "Datagrams that the engine received.", float64(d.Received))
	emit.count("esc_datagrams_lost_total", "Datagrams that the kernel dropped, for want of room in the buffer of the port.", float64(d.Dropped))
	const refused = "Datagrams received and not taken in: shorter than their frame (truncated), longer (trailing), no frame (malformed), of a priority over the cap (priority)."
	for _, why := range []struct {
		cause string
		n     uint64
	}{{"truncated", d.Truncated}, {"trailing", d.Trailing}, {"malformed", d.Malformed}, {"priority", d.Rejected}} {
		emit.count("esc_datagrams_refused_total", refused, float64(why.n), "cause", why.cause)
	}
	emit.count("esc_datagram_ids_missing_total", "Ids that their producers' counters skipped, also if they came late.", float64(d.Missing))
	emit.count("esc_datagram_ids_late_total", "Ids that came behind a higher one of their producer.", float64(d.Late))
	emit.count("esc_datagram_producers_forgotten_total", "Producers forgotten because there are too many: their gaps are not seen.", float64(d.Untracked))
}

func (s *Server) readFiles(emit sink) {
	for _, f := range s.engine.FileInputs() {
		emit.count("esc_file_read_bytes_total", "Bytes read of the input file.", float64(f.Bytes), "path", f.Path)
		emit.level("esc_file_failed", "1 once the input file could not be read on.", truth(f.Err != nil), "path", f.Path)
		const damage = "What could not be taken from the input file: lines too long, and frames that its end cut short."
		emit.count("esc_file_events_lost_total", damage, float64(f.TooLong), "path", f.Path, "cause", "too_long")
		emit.count("esc_file_events_lost_total", damage, float64(f.Cut), "path", f.Path, "cause", "cut_short")
		const turned = "Times that another file took the input's name, and that it was found shorter than what was read of it."
		emit.count("esc_file_turns_total", turned, float64(f.Replaced), "path", f.Path, "how", "replaced")
		emit.count("esc_file_turns_total", turned, float64(f.Truncated), "path", f.Path, "how", "truncated")
	}
}

func (s *Server) readLanes(emit sink, now sample) {
	depths := s.engine.Depths()
	for i := range event.Lane(event.Lanes) {
		name := i.String()
		const latency = "Time from received to processed, and from received to stored, in seconds."
		emit.spread("esc_latency_seconds", latency, now.processed[i], "lane", name, "until", "processed")
		emit.spread("esc_latency_seconds", latency, now.stored[i], "lane", name, "until", "stored")
		const missed = "Events processed later than their lane's SLA: late before they were taken up (wait), or after (service)."
		emit.count("esc_sla_missed_total", missed, float64(now.stats.Queued[i]), "lane", name, "cause", "wait")
		emit.count("esc_sla_missed_total", missed, float64(now.stats.Missed[i]-min(now.stats.Queued[i], now.stats.Missed[i])), "lane", name, "cause", "service")
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
	status := s.engine.Plane.Status()
	for state := range control.State(control.States) {
		emit.level("esc_pipeline_state", "1 for the state that the engine is in, 0 for the others.", truth(status.Decision.State == state), "state", state.String())
	}
	emit.level("esc_pipeline_state_manual", "1 while the state is held by hand.", truth(status.Manual))
	emit.level("esc_pipeline_depth_ratio", "Depth of the fullest lane against its bound, as last evaluated.", status.Figures.Depth)
	emit.level("esc_pipeline_drop_ratio", "Events dropped against anyone's will in the last second, as a share of those received.", status.Figures.DropRate)
}
