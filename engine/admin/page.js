"use strict";
// Asks /state once a second and shows what it says. It keeps two minutes of
// answers for the lines; whatever it prints comes from the last answer.
const every = 1000, patience = 5000, span = 120;
const $ = (id) => document.getElementById(id);
const dash = "–";

// Numbers, as people read them.
const whole = new Intl.NumberFormat("en");
const three = (v) => v.toLocaleString("en", { maximumSignificantDigits: 3 });
// scaled writes v in the first unit that it is at least one of.
function scaled(v, units) {
  const [size, unit] = units.find(([size]) => Math.abs(v) >= size) ?? units.at(-1);
  return three(v / size) + unit;
}
const count = (v) => scaled(v, [[1e9, " G"], [1e6, " M"], [1e3, " k"], [1, ""]]);
const perSecond = (v) => count(v) + "/s";
const bytes = (v) => scaled(v, [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]]);
function nanoseconds(v) {
  if (v === null || v === undefined) return dash;
  return scaled(v, [[1e9, " s"], [1e6, " ms"], [1e3, " µs"], [1, " ns"]]);
}
function duration(s) {
  if (s < 60) return Math.floor(s) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 172800) return three(s / 3600) + " h";
  return Math.floor(s / 86400) + " days";
}
const percent = (v) => (100 * v).toFixed(v < 0.1 ? 1 : 0) + " %";

function text(node, value) { if (node.textContent !== value) node.textContent = value; }
function copy(id) { return $(id).content.firstElementChild.cloneNode(true); }

// History: a point is pushed for each answer, and for each that failed a gap.
const series = new Map();
function push(name, value) {
  if (!series.has(name)) series.set(name, []);
  const points = series.get(name);
  points.push(value);
  if (points.length > span) points.shift();
  return points;
}

// A path through the points, broken at gaps.
function path(points, x, y) {
  let d = "", pen = "M";
  points.forEach((v, i) => {
    if (v === null) { pen = "M"; return; }
    d += pen + x(i).toFixed(1) + " " + y(v).toFixed(1);
    pen = "L";
  });
  return d;
}

const tiles = [
  ["received", "Received", (s) => s.rates.received, perSecond, (s) => count(s.totals.received) + " in all, " + bytes(s.rates.bytes) + "/s"],
  ["stored", "Stored", (s) => s.rates.stored, perSecond, (s) => count(s.totals.stored) + " in all"],
  ["flight", "In flight", (s) => s.totals.in_flight, count, () => "taken in, their fate open"],
  ["dropped", "Given up", (s) => s.rates.dropped, perSecond, (s) => count(s.totals.dropped) + " in all, " + count(s.totals.uncaptured) + " not kept as dead letters" + reasons(s)],
  ["duplicates", "Duplicates", (s) => s.rates.duplicate, perSecond, (s) => count(s.totals.duplicate) + " in all; ids are remembered for " + duration(s.dedup_held_s)],
  ["held", "Senders held", (s) => s.rates.held_lane_full + s.rates.held_no_slot, perSecond,
    (s) => `${count(s.totals.held_lane_full)} by a full lane, ${count(s.totals.held_no_slot)} for want of a slot`],
];

function reasons(s) {
  const all = Object.entries(s.dropped_by_reason ?? {}).sort((a, b) => b[1] - a[1]).map(([why, n]) => why + " " + count(n));
  return all.length ? ": " + all.join(", ") : "";
}

function showTiles(s) {
  tiles.forEach(([id, title, value, form, sub], i) => {
    const node = $("tiles").children[i] ?? $("tiles").appendChild(copy("tile"));
    node.id = id;
    text(node.querySelector("h3"), title);
    text(node.querySelector(".big"), form(value(s)));
    text(node.querySelector(".sub"), sub(s));
    const points = push(id, Math.max(value(s), 0));
    const top = Math.max(...points.filter((v) => v !== null), 1e-9);
    const x = (j) => 120 - (points.length - 1 - j) * 120 / (span - 1), y = (v) => 30 - 28 * v / top;
    const line = path(points, x, y);
    node.querySelector(".line").setAttribute("d", line);
    node.querySelector(".area").setAttribute("d", points.includes(null) ? "" : `${line}L120 32L${x(0).toFixed(1)} 32Z`);
  });
}

function showLanes(s) {
  s.lanes.forEach((lane, i) => {
    const node = $("cards").children[i] ?? $("cards").appendChild(copy("card"));
    node.id = "lane-" + lane.name;
    node.querySelector(".key path").setAttribute("class", "lane" + i);
    text(node.querySelector("h3 span"), lane.name);
    text(node.querySelector(".big"), perSecond(lane.rate));
    const rows = [...node.querySelectorAll(".depths dd")];
    [lane.depth, lane.store_depth].forEach((depth, j) => {
      const words = `${whole.format(depth)} of ${whole.format(lane.capacity)}`;
      text(rows[j].querySelector("span"), words);
      const meter = rows[j].querySelector("meter");
      meter.value = depth / lane.capacity;
      meter.setAttribute("aria-label", `${lane.name}: ${words} wait`);
    });
    text(node.querySelector("caption"), `SLA ${nanoseconds(lane.sla_ns)} from received to processed`);
    [lane.processed, lane.stored].forEach((late, j) => {
      const cells = node.querySelectorAll("tbody tr")[j].querySelectorAll("td");
      [late.p50_ns, late.p99_ns, late.p999_ns, late.max_ns].forEach((ns, k) => {
        text(cells[k], nanoseconds(ns));
        cells[k].classList.toggle("over", j === 0 && ns !== null && ns > lane.sla_ns);
      });
    });
    const share = lane.processed_total ? lane.sla_missed_total / lane.processed_total : 0;
    text(node.querySelector(".sub"), `${count(lane.processed_total)} processed in all, ${count(lane.sla_missed_total)} of them (${percent(share)}) later than the SLA, ${count(lane.sla_missed_waiting_total)} because they had waited`);
    push("p99 " + lane.name, lane.processed.p99_ns);
  });
  drawChart(s.lanes.map((lane) => lane.name));
}

// The chart: time to the right, latency upwards in powers of ten.
let names = [];
function drawChart(lanes) {
  names = lanes;
  const svg = $("chart"), width = svg.clientWidth || 600, height = svg.clientHeight || 200;
  const all = lanes.flatMap((name) => series.get("p99 " + name) ?? []).filter((v) => v !== null);
  const low = Math.floor(Math.log10(Math.max(Math.min(...all, 1e6), 100))), high = Math.max(Math.ceil(Math.log10(Math.max(...all, 1e4))), low + 1);
  const left = 58, bottom = height - 20, right = width - 8;
  const x = (i, n) => right - (n - 1 - i) * (right - left) / (span - 1);
  const y = (v) => bottom - (bottom - 8) * (Math.log10(Math.max(v, 1)) - low) / (high - low);
  const parts = [];
  for (let p = low; p <= high; p++) {
    parts.push(shape("line", { class: "grid", x1: left, x2: right, y1: y(10 ** p), y2: y(10 ** p) }));
    parts.push(shape("text", { x: left - 8, y: y(10 ** p) + 4, "text-anchor": "end" }, nanoseconds(10 ** p)));
  }
  parts.push(shape("text", { x: left, y: height - 4 }, "2 min ago"), shape("text", { x: right, y: height - 4, "text-anchor": "end" }, "now"));
  lanes.forEach((name, i) => {
    const points = series.get("p99 " + name) ?? [];
    parts.push(shape("path", { class: "line lane" + i, d: path(points, (j) => x(j, points.length), y) }));
    const last = points.at(-1);
    if (last !== null && last !== undefined) parts.push(shape("circle", { class: "dot" + i, cx: right, cy: y(last), r: 3.5 }));
  });
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...parts);
}
function shape(kind, attributes, words = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = words;
  return node;
}

function fill(table, rows) {
  const body = table.tBodies[0];
  rows.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    cells.forEach((words, j) => {
      const cell = row.cells[j] ?? row.insertCell();
      cell.className = table.tHead.rows[0].cells[j].className;
      text(cell, String(words));
    });
  });
  while (body.rows.length > rows.length) body.deleteRow(-1);
}

function showHost(s) {
  fill($("threads"), (s.threads ?? []).map((t) => [t.name, t.id, t.cpu < 0 ? "none" : "CPU " + t.cpu, percent(t.cpu_share), count(t.switches_voluntary), count(t.switches_involuntary)]));
  const p = s.process, c = s.clients;
  facts($("process"), [["CPU", percent(p.cpu_share) + " of one"], ["memory", bytes(p.resident_bytes)], ["descriptors", `${whole.format(p.descriptors)} of ${whole.format(p.descriptors_max)}`],
    ["threads", whole.format(p.threads)], ["goroutines", whole.format(p.goroutines)]]);
  facts($("clients"), [["open", whole.format(c.open)], ["accepted", count(c.accepted_total)], ["refused", count(c.refused_total)], ["cut off", count(c.cut_off_total)],
    ["frames rejected", count(c.rejected_total)], ["answers", count(c.answers_total)]]);
}

function facts(list, all) {
  all.forEach(([name, words], i) => {
    const node = list.children[i] ?? list.appendChild(document.createElement("div"));
    if (!node.children.length) node.append(document.createElement("dt"), document.createElement("dd"));
    text(node.children[0], name);
    text(node.children[1], words);
  });
}

function showControl(s) {
  const c = s.control, changes = c.transitions ?? [];
  $("transitions").hidden = !changes.length;
  if ($("hold").hidden && s.changes) {
    $("hold").hidden = false;
    $("state").value = c.decision.state;
  }
  text($("figures"), `Fullest lane at ${percent(c.figures.depth)} of its bound; ${percent(c.figures.drop_rate)} dropped against anyone's will in the last second` +
    (c.figures.rated ? "." : ", of too few events to judge by.") + (c.manual ? " The state is held by hand." : ""));
  fill($("transitions"), changes.slice(-8).reverse().map((t) => [new Date(t.at).toLocaleTimeString(), t.from, t.to, t.manual ? "hand" : "figures", percent(t.figures.depth), percent(t.figures.drop_rate)]));
}

const moods = { HEALTHY: "good", ELEVATED: "wary", DEGRADED: "wary", starting: "wary", paused: "wary" };
function badge(words) {
  text($("badge"), words);
  $("badge").dataset.mood = moods[words] ?? "bad";
}

function show(s) {
  badge(!s.ready ? (s.threads ? "stopping" : "starting") : s.control.decision.state);
  text($("about"), (s.address ? "Frames on " + s.address : "No frame port") + ", up " + duration(s.uptime_s) + (s.version ? ", build " + s.version : ""));
  text($("window"), `Rates and percentiles are over the last ${s.window_s.toFixed(1)} s. A dash is a percentile of which there were too few events to know it: 368 for p99, 3,688 for p99.9.`);
  showTiles(s);
  showLanes(s);
  showControl(s);
  showHost(s);
}

// Paths are made absolute on the origin: the page's own address may hold a
// password, which fetch refuses.
const at = (where) => new URL(where, location.origin);
let paused = false, timer = 0;
async function poll() {
  clearTimeout(timer);
  if (paused || document.hidden) return;
  try {
    const answer = await fetch(at("/state"), { signal: AbortSignal.timeout(patience) });
    if (!answer.ok) throw new Error(await answer.text());
    const state = await answer.json();
    if (!paused) show(state);
  } catch (e) {
    badge("no answer");
    text($("about"), `The figures below are old; asking again every second. (${e.message})`);
    for (const points of series.values()) { points.push(null); if (points.length > span) points.shift(); }
  }
  clearTimeout(timer);
  timer = setTimeout(poll, every);
}
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  if (paused) badge("paused");
  poll();
});
document.addEventListener("visibilitychange", poll);
new ResizeObserver(() => drawChart(names)).observe($("chart"));

async function change(state) {
  const answer = await fetch(at("/state"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ state }) });
  text($("done"), answer.ok ? (state === "auto" ? "The figures decide." : "Held in " + state + ".") : await answer.text());
  poll();
}
$("hold").addEventListener("submit", (e) => { e.preventDefault(); change($("state").value); });
$("auto").addEventListener("click", () => change("auto"));
poll();
