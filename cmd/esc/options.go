package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// option is one thing that esc serve can be told, under one name in all three
// places: key in the file, ESC_KEY in the environment, and --flag where it has one.
type option struct {
	key    string // with a dot behind its section
	flag   string
	value  pflag.Value
	usage  string
	secret bool // never shown, and no flag, for others can read those
}

// variable is the option's name in the environment.
func (o *option) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(o.key, ".", "_"))
}

const variablePrefix = "ESC_"

// options is the table of what can be told, in the order of the file.
func (s *settings) options() []option {
	e := &s.engine
	return slices.Concat([]option{
		{key: "data", flag: "data", value: text(&s.data), usage: "folder for the log and the dead letters (required)"},
		{key: "topics", flag: "topics", value: text(&s.topics), usage: "file of topic:PRIORITY lines, read again on SIGHUP; empty: frames keep their priorities"},
		{key: "drain", flag: "drain", value: span(&e.Drain), usage: "how long to store what was taken in after the signal to stop: above 0 to 1m"},
	}, s.clientOptions(), s.inputOptions(), []option{
		{key: "threads.plan", flag: "plan", value: choice(&s.plan, asPlan, same), usage: "fused: all stages on one thread; split: ingest and dispatch on one, the rest on another"},
		{key: "threads.helpers", flag: "helpers", value: count(&s.helpers), usage: "more threads, which under pressure take over parts of the transactional and batch lanes, and spin while they do: 0 to 15. 0 where no CPU is spare"},
		{key: "threads.cpus", flag: "cpus", value: field[[]int]{&s.cpus, asCPUs, cpuList, "cpus"}, usage: "CPUs to pin the plan's threads to, then the helpers, as 1 or 0,1; empty: the kernel places them"},
		{key: "threads.idle", flag: "idle", value: choice(&s.idle, duty.ParseIdle, duty.Idle.String), usage: "when idle: park (no CPU), or spin (lowest latency, a whole CPU for each thread)"},
		{key: "threads.node", flag: "node", value: field[*int]{&s.node, asNode, nodeName, "node"}, usage: "NUMA node that the events' memory is bound to, as esc plan names it; any: the kernel's choice"},

		{key: "log.mode", flag: "mode", value: choice(&e.Log.Mode, store.ParseMode, store.Mode.String), usage: "when the log is synced: group (before each answer of durable), interval, os (never)"},
		{key: "log.interval", value: span(&e.Log.Interval), usage: "between syncs in mode interval: 100us to 1m"},
		{key: "log.segment", flag: "segment", value: size(&e.Log.SegmentBytes), usage: "size of a segment: 1MiB to 64GiB"},
		{key: "log.group_events", value: count(&e.Log.GroupEvents), usage: "events written and synced at once, at the most: 1 to 65536"},
		{key: "log.group_bytes", value: size(&e.Log.GroupBytes), usage: "and their size: 4KiB to 16MiB"},
		{key: "log.retain_bytes", value: size(&e.Log.RetainBytes), usage: "oldest segments go when the log is larger, in a cluster once they are replicated; 0 keeps all"},
		{key: "log.retain_age", value: span(&e.Log.RetainAge), usage: "segments go when their last event is older; 0s keeps all"},
		{key: "log.check_bytes", value: size(&e.Log.CheckBytes), usage: "how much of the log's end is verified at the start"},
		{key: "log.direct", value: truth(&e.Log.Direct), usage: "in mode group, write past the page cache, where the file system can: small groups were durable 3 to 14 % sooner, but who reads what has just been written reads the disk"},
		{key: "log.scrub_rate", value: size(&e.Log.ScrubRate), usage: "a second, at which old segments are verified again; 0 never"},

		{key: "pool.slots_256b", value: count(&e.Pool[0].Count), usage: "slots for events of up to 256 bytes with their header, for each way in: 1 to 16777216"},
		{key: "pool.slots_2kib", value: count(&e.Pool[1].Count), usage: "of up to 2 KiB"},
		{key: "pool.slots_64kib", value: count(&e.Pool[2].Count), usage: "of up to 64 KiB"},
		{key: "pool.slots_1mib", value: count(&e.Pool[3].Count), usage: "of up to a whole frame, 1 MiB"},
	}, s.pressureOptions(), s.windowOptions(), s.alertOptions(), s.adminOptions(), s.clusterOptions())
}

// inputOptions are those of the ways in beside TCP.
func (s *settings) inputOptions() []option {
	udp, file := &s.engine.UDP, &s.file
	return []option{
		{key: "udp.addr", flag: "udp", value: address(&udp.Address), usage: "UDP address for frames, one a datagram, HOST:PORT; empty: none. Datagrams are lost when the engine has no room, and nobody is told"},
		{key: "udp.cap", value: choice(&udp.Cap, event.ParsePriority, event.Priority.String), usage: "highest priority that a datagram may claim: BATCH, LOW, MEDIUM, HIGH or CRITICAL"},
		{key: "udp.buffer", value: size(&udp.Buffer), usage: "the kernel's buffer, which rides out pauses: 4KiB to 1GiB, as far as net.core.rmem_max lets it"},
		{key: "file.path", flag: "file", value: text(&file.Path), usage: "file to take events from: frames, or lines if there is a topic for them; empty: none. A restart takes all of it again"},
		{key: "file.topic", flag: "file-topic", value: text(&file.Topic), usage: "topic of the file's lines; empty: it holds frames"},
		{key: "file.priority", value: choice(&file.Priority, event.ParsePriority, event.Priority.String), usage: "priority of the file's lines"},
		{key: "file.follow", value: truth(&file.Follow), usage: "go on where the file grows, is truncated, or is replaced by another of its name"},
		{key: "file.at_end", value: truth(&file.AtEnd), usage: "begin with what is written from now on"},
	}
}

// pressureOptions are those of lanes, and of what happens when they fill up.
func (s *settings) pressureOptions() (options []option) {
	e := &s.engine
	for lane := range event.Lane(event.Lanes) {
		options = append(options, option{key: "lanes." + lane.String(), value: count(&e.Lanes[lane]), usage: "events in the lane: a power of two from 64 to 16777216"})
	}
	options = append(options, option{key: "lanes.sublanes", value: count(&s.sublanes), usage: "parts that the transactional and the batch lane are each divided into, by producer, for helpers to take over: a power of two up to 16, more than there are helpers; 0: 1 without helpers, else twice the threads that may drain them"})
	for lane := range event.Lane(event.Lanes) {
		options = append(options, option{key: "overflow." + lane.String(), value: choice(&e.Overflow[lane], bus.ParsePolicy, bus.Policy.String),
			usage: "what becomes of datagrams and of what is published in the process when the lane is full: BLOCK_PRODUCER (datagrams are dropped all the same), DROP_OLD or DROP_NEW"})
	}
	t := &e.Control
	return append(options,
		option{key: "control.max_queue_depth", value: count(&t.MaxQueueDepth), usage: "events in one lane that count as full, where it holds as many: 1 to 16777216"},
		option{key: "control.max_drop_rate", value: percent(&t.MaxDropRate), usage: "percent of events dropped against anyone's will at which transactions pause: above 0 to 20"},
		option{key: "control.max_latency_ms", value: milliseconds(&t.MaxLatency), usage: "from received to processed, beyond which the engine says that it is late: 1 to 60000"},
		option{key: "control.min_events_for_evaluation", value: count64(&t.MinEvents), usage: "events a second that a drop rate needs to count: 1 to 1000000000"},
		option{key: "control.recovery_factor", value: real(&t.RecoveryFactor), usage: "share of a state's bound under which it is left again: 0.1 to 1"},
		option{key: "dead.dir", value: text(&e.Dead.Dir), usage: "folder of the dead letters; empty: dead in the data folder"},
		option{key: "dead.depth", value: count(&e.Dead.Depth), usage: "dead letters that may wait to be written: a power of two from 64 to 65536; one more is only counted"},
		option{key: "dead.retain_bytes", value: size(&e.Dead.RetainBytes), usage: "oldest dead letters go when their log is larger: 2MiB to 1TiB"},
		option{key: "dedup.memory", value: size(&e.Dedup.Bytes), usage: "memory of transactions' ids, 8 bytes each: a power of two from 128KiB to 64GiB"},
		option{key: "dedup.producers", value: count(&e.Dedup.Producers), usage: "producers known by how far they have counted, of 440 bytes each, which costs the memory of ids nothing: a power of two from 64 to 1048576"},
		option{key: "dedup.window", value: span(&e.Dedup.Window), usage: "how long an id is remembered: 1s to 24h"},
	)
}

func (s *settings) windowOptions() []option {
	w := &s.engine.Windows
	return []option{
		{key: "windows.span", value: span(&w.Span), usage: "aggregate batch events by topic in windows of 100ms to 1h, each with a result that is an event; 0s does not"},
		{key: "windows.topics", value: count(&w.Topics), usage: "topics that the open windows tell apart, of 1.5 KiB each, or 5.5 with a value field: 1 to 65536; what is beyond shares one result"},
		{key: "windows.fold", value: truth(&w.Fold), usage: "store the results instead of the events"},
		{key: "windows.value_field", value: text(&w.ValueField), usage: "number at the top level of JSON payloads whose distribution goes into the results; empty: none"},
		{key: "windows.time_field", value: text(&w.TimeField), usage: "number there that says when the event happened; empty: windows go by the time of receipt. An event without is in no window"},
		{key: "windows.time_unit", value: choice(&w.TimeUnit, process.ParseTimeUnit, process.TimeUnit.String), usage: "what time_field counts since 1970: s, ms, us or ns"},
		{key: "windows.lateness", value: span(&w.Lateness), usage: "with a time field, how long a window stays open for what comes out of order, and how far clocks may be ahead: 0 to four spans"},
		{key: "windows.late", value: choice(&w.Late, process.ParseLatePolicy, process.LatePolicy.String), usage: "an event whose window has ended goes into the oldest that is open (open), or into none and is stored itself (apart)"},
	}
}

func (s *settings) alertOptions() []option {
	return []option{
		{key: "alerts.topics", value: field[[]string]{&s.alerts.topics, asList, joined, "list"}, usage: "patterns, as [alarms/#, +/fire], of whose REALTIME events somebody is told; empty: of none"},
		{key: "alerts.log", value: truth(&s.alerts.log), usage: "by a line in the log"},
		{key: "alerts.webhook", value: text(&s.alerts.webhook), usage: "and by a POST of JSON to this URL; empty: to none. Who answers slowly misses some", secret: true},
	}
}

func (s *settings) adminOptions() []option {
	return []option{
		{key: "admin.addr", flag: "admin", value: address(&s.admin.Address), usage: "address for metrics, health, state and the live page, HOST:PORT; empty: none"},
		{key: "admin.token", value: text(&s.admin.Token), usage: "what the admin port asks for, 16 to 1024 bytes; empty: who is on this machine may look, nobody may change anything", secret: true},
		{key: "admin.token_file", flag: "admin-token-file", value: text(&s.tokenFile), usage: "file that holds the token, instead"},
	}
}
