package reports

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventstreamcore/reports/record"
)

// richRun is sampleRun with everything that only some runs have.
func richRun() record.Run {
	run := sampleRun()
	at := func(v float64) *float64 { return &v }
	run.Matrices = []record.Matrix{{Name: "core to core", Unit: "ns", From: "CPU", To: "CPU", Rows: []string{"0", "1"}, Columns: []string{"0", "1"},
		Values: [][]*float64{{nil, at(130)}, {at(128), nil}}, How: "half a round trip"}}
	run.Caches = []record.Sweep{{Name: "random access", Unit: "ns", Levels: []record.CacheSize{{Name: "L2", Bytes: 1 << 20}},
		Points: []record.SweepAt{{Bytes: 1 << 14, Value: 1.5}, {Bytes: 1 << 19, Value: 5}, {Bytes: 1 << 24, Value: 90}}}}
	run.Strips = []record.Strip{{Name: "engine", CPU: 1, Ns: 1e9, Count: 2, Lost: 90_000, Gaps: []record.Gap{{At: 1e6, Ns: 60_000, Cause: "steal"}, {At: 9e8, Ns: 30_000, Cause: "unexplained"}}}}
	run.Profiles = []record.Profile{{Cell: "spsc", Ns: 1e9, Bytes: []byte("as the runtime wrote it")}}
	row := &run.Rows[2]
	row.Intervals = []record.Interval{{Name: "received-stored", Ns: 1e8, Count: 1e4, P50: 240, P99: 900, Max: 60_000, Encoded: row.Distributions[0].Encoded},
		{Name: "received-stored", StartNs: 1e8, Ns: 1e8, Count: 1e4, P50: 250, P99: 950, Max: 20_000, Encoded: row.Distributions[1].Encoded}}
	row.Waterfalls = []record.Waterfall{{Name: "typical", Spans: []record.Span{{Stage: "parse", Kind: record.Work, Ns: 25}, {Stage: "lane", Kind: record.Wait, Ns: 90}}}}
	legs := slices.Clone(row.Distributions[:1])
	legs[0].Name = "admission"
	row.Distributions = append(slices.Clone(row.Distributions), legs...)
	row.Strips = []record.Strip{{Name: "generator", CPU: 0, Ns: 1e9, Count: 1, Lost: 7e6, Gaps: []record.Gap{{At: 5e8, Ns: 7e6, Cause: "another task"}}}}
	row.Outliers = []record.Outlier{{Trial: 2, At: 5e8, Events: 70, Ns: 7e6, Cause: "generator: another task", Evidence: "a gap of its own"}}
	row.Blames = []record.Blame{{Cause: "generator: another task", Outliers: 1, Events: 70, Longest: 7e6}}
	row.Interrupts = []record.Interrupts{{CPU: 0, Name: "virtio0-input", Count: 1234}}
	row.Steadiness = &record.Steadiness{Unit: "p50-ns", Verdict: "two modes", Unsteady: true}
	row.Trials = slices.Clone(row.Trials)
	row.Trials[0].Counters = []record.Counter{{Thread: "engine", Name: "context-switches", Value: 32, Share: 1}}
	row.Loads = []record.Load{{Offered: 1e6, Achieved: 1e6, P50: 200, P99: 900, Knee: true}, {Offered: 9e6, Achieved: 8e6, P50: 2e5, P99: 9e6, State: "DEGRADED"}, {Invalid: "generator fell behind"}}
	return run
}

func html(t *testing.T, runs ...Loaded) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, runs); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTMLHasEveryPart(t *testing.T) {
	text := html(t, Loaded{Name: "a", Run: richRun()})
	for _, want := range []string{"PASS", "INCONCLUSIVE", "measure on bare metal", "core to core", "random access", "legs of pipeline", "a gap of its own", "virtio0-input", "context-switches", "UNSTEADY: two modes", "gaps of generator on CPU 0", "gaps of engine on CPU 1", "over time", "typical event", "latency of pipeline/rate=200000 by rate",
		`href="profiles/spsc.pprof"`, "flame graph", "DEGRADED", "5 spinning threads", "the generator fell 2.1 ms behind", "this machine has one memory node"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(text, "Not drawn") {
		t.Errorf("not drawn: %.200s", text[strings.Index(text, "Not drawn"):])
	}
	if len(text) > 3<<20 {
		t.Errorf("%d bytes", len(text))
	}
}

// The page of a run as long as they get, and of a comparison of two, is under
// 3 MB.
func TestHTMLSize(t *testing.T) {
	run := richRun()
	rich := run.Rows[2]
	for i := range 320 {
		rich.Intervals = append(rich.Intervals, record.Interval{Name: "received-stored", StartNs: int64(2e8 + 1e7*i), Ns: 1e7, Count: 1000, P50: int64(200 + i), P99: int64(900 + i*i), Max: int64(60_000 + i)})
	}
	for i := range 1000 {
		rich.Strips[0].Gaps = append(rich.Strips[0].Gaps, record.Gap{At: int64(i) * 1e6, Ns: int64(1e4 + i*i), Cause: "another task"})
	}
	for range 50 {
		rich.Outliers = append(rich.Outliers, rich.Outliers[0])
	}
	for i := range 12 {
		rich.Params = []record.Param{{Key: "rate", Value: strconv.Itoa(i)}, {Key: "lane", Value: "transactional"}, {Key: "span", Value: "intended-stored"}}
		run.Rows = append(run.Rows, rich)
	}
	for i := range 70 {
		run.Rows = append(run.Rows, record.Row{Workload: "dedup", Params: []record.Param{{Key: "set", Value: strconv.Itoa(i)}}, Trials: trials(uint64(i), 20, record.Value{Unit: "ns/op", Value: 20}, record.Value{Unit: "ops/s", Value: 5e7})})
	}
	for _, runs := range [][]Loaded{{{Name: "a", Run: run}}, {{Name: "a", Run: run}, {Name: "b", Run: slower(run, 2)}}} {
		if text := html(t, runs...); len(text) > 3<<20 {
			t.Errorf("%d runs: %d bytes", len(runs), len(text))
		} else {
			t.Logf("%d runs: %d bytes", len(runs), len(text))
		}
	}
}

func TestHTMLSaysWhatIsMissing(t *testing.T) {
	run := sampleRun()
	run.Partial = true
	text := html(t, Loaded{Name: "a", Run: run, Lack: []string{"The file gone.hgrm is gone from the folder."}})
	for _, want := range []string{"interrupted", "No matrix", "No cost over working sets", "gone.hgrm", "pool/node=remote was skipped"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if text := html(t, Loaded{Name: "empty", Run: record.Run{Schema: 1}}); !strings.Contains(text, "No workload was measured") {
		t.Error("of an empty run nothing is said")
	}
}

func TestHTMLCompares(t *testing.T) {
	slow := slower(sampleRun(), 1.2)
	slow.Started = slow.Started.Add(time.Hour)
	text := html(t, Loaded{Name: "before", Run: sampleRun()}, Loaded{Name: "between", Run: sampleRun()}, Loaded{Name: "after", Run: slow})
	for _, want := range []string{"after against before", "worse", "1.200", "new over old", "Over 3 runs"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	other := sampleRun()
	other.Host.CPU = "Another"
	text = html(t, Loaded{Name: "before", Run: sampleRun()}, Loaded{Name: "after", Run: other})
	if !strings.Contains(text, "only multiples of floors were compared") || strings.Contains(text, "<td>p50-ns</td><td class=\"mute\">same") {
		t.Error("nanoseconds were compared across machines")
	}
}

// The policy allows nothing but the page's own style and script, and neither
// asks for anything; text from elsewhere stays text.
func TestHTMLPolicy(t *testing.T) {
	run := richRun()
	run.Host.Name = `<script>alert(1)</script>`
	run.Rows[0].Notes = []string{`"><img src=x onerror=alert(1)>`}
	run.Rows[2].Workload = `<svg onload=alert(1)>`
	text := html(t, Loaded{Name: "a", Run: run})
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)
	if policy == nil || !strings.HasPrefix(policy[1], "default-src &#39;none&#39;") {
		t.Fatalf("policy %q", policy)
	}
	for _, element := range []string{"style", "script"} {
		inner := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(text, -1)
		if len(inner) != 1 {
			t.Fatalf("%d elements %s", len(inner), element)
		}
		sum := sha256.Sum256([]byte(inner[0][1]))
		if !strings.Contains(strings.ReplaceAll(policy[1], "&#43;", "+"), base64.StdEncoding.EncodeToString(sum[:])) {
			t.Errorf("the policy does not allow the page's own %s", element)
		}
	}
	if m := regexp.MustCompile(`(?i)(src|href)="(?:https?:|//)|url\(|@import|<img|<iframe|<svg onload|<script>alert| style="`).FindString(text); m != "" {
		t.Errorf("%s in the page", m)
	}
}

// chromium runs the browser on a page and returns its document and what it
// complained of.
func chromium(t *testing.T, page string) (dom, complaints string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("not checked in a browser: chromium is not installed")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "page.html")
	if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--enable-logging=stderr", "--dump-dom", "file://"+name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v: %s", err, stderr.String())
	}
	var said []string
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") {
			said = append(said, line)
		}
	}
	return string(out), strings.Join(said, "")
}

// In a browser: no complaint, and the script runs under the policy.
func TestHTMLInABrowser(t *testing.T) {
	dom, complaints := chromium(t, html(t, Loaded{Name: "a", Run: richRun()}, Loaded{Name: "b", Run: richRun()}))
	if complaints != "" {
		t.Errorf("the console says: %s", complaints)
	}
	if !strings.Contains(dom, `<th scope="col"><button type="button">`) {
		t.Error("the script did not run")
	}
}

// asked runs a script in page, which must set out to what it found, and returns
// that.
func asked(t *testing.T, page, script string) string {
	t.Helper()
	page = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAllString(page, "") // the script is not the page's own
	page = strings.Replace(page, "</body>", `<pre id="out"></pre><script>{let out = ""; `+script+`
document.getElementById("out").textContent = out;}</script></body>`, 1)
	dom, complaints := chromium(t, page)
	if complaints != "" {
		t.Errorf("the console says: %s", complaints)
	}
	_, out, _ := strings.Cut(dom, `<pre id="out">`)
	out, _, _ = strings.Cut(out, "</pre>")
	return out
}

// A column sorts when its head is pressed: numbers by size, empty cells last.
func TestHTMLSorts(t *testing.T) {
	out := asked(t, html(t, Loaded{Name: "a", Run: sampleRun()}), `
const heads = [...document.querySelectorAll("table")[0].tHead.rows[0].cells];
const button = heads[2].querySelector("button");
const column = () => [...document.querySelectorAll("table")[0].tBodies[0].rows].map((r) => r.cells[2].textContent).filter((s) => s).join(",");
const state = () => heads[2].getAttribute("aria-sort") + ":" + column() + ";";
button.click(); out = state(); button.click(); out += state();`)
	if want := "ascending:5.21 ns,262 ns,56.4 us;descending:56.4 us,262 ns,5.21 ns;"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// clippings finds text that leaves its figure, and a page wider than its window.
const clippings = `
for (const svg of document.querySelectorAll("svg")) {
  const box = svg.getBoundingClientRect();
  for (const text of svg.querySelectorAll("text")) {
    const r = text.getBoundingClientRect();
    if (r.left < box.left - 1 || r.right > box.right + 1 || r.top < box.top - 1 || r.bottom > box.bottom + 1)
      out += svg.querySelector("title").textContent + ": " + text.textContent + ";";
  }
}
if (document.documentElement.scrollWidth > innerWidth) out += "the page is " + document.documentElement.scrollWidth + " wide in " + innerWidth + ";";`

// Nothing is clipped, whatever names and values are drawn.
func TestHTMLClipsNothing(t *testing.T) {
	run := richRun()
	run.Rows[2].Params[0].Value = strings.Repeat("long", 40)
	run.Rows[2].Distributions[0].Name = strings.Repeat("name", 30)
	run.Rows[2].Waterfalls[0].Spans = append(run.Rows[2].Waterfalls[0].Spans, record.Span{Stage: strings.Repeat("stage", 12), Kind: record.Wait, Ns: 16_932_123}, record.Span{Stage: "last", Kind: record.Work, Ns: 1})
	run.Strips[0].Gaps[0].Cause = strings.Repeat("cause ", 30)
	faster := slower(run, 0.5)
	if out := asked(t, html(t, Loaded{Name: "a", Run: run}, Loaded{Name: "b", Run: richRun()}, Loaded{Name: "c", Run: faster}), clippings); out != "" {
		t.Error(out)
	}
	broken := strings.Replace(html(t, Loaded{Name: "a", Run: richRun()}), "<text x=\"", "<text x=\"9", 1)
	if asked(t, broken, clippings) == "" {
		t.Error("text beyond the edge of its figure is not found")
	}
}

// palette is the colours of a page by name, of one mode.
func palette(t *testing.T, style string) map[string]float64 {
	t.Helper()
	luminances := map[string]float64{}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+):#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b`).FindAllStringSubmatch(style, -1) {
		hex := m[2]
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		luminance := 0.0
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			c := float64(v) / 255
			if c <= 0.04045 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			luminance += weight * c
		}
		luminances[m[1]] = luminance
	}
	return luminances
}

// TestPaperUnfoldsNothing: the tables of noise were half of 143 pages of paper.
func TestPaperUnfoldsNothing(t *testing.T) {
	if page := html(t, Loaded{Run: sampleRun()}); !strings.Contains(page, "<details>") || strings.Contains(page, "beforeprint") || strings.Contains(page, "<details open") {
		t.Error("nothing is folded, or it is unfolded by itself")
	}
}

// Contrast is what WCAG 2.2 asks for at AA, in both modes and on paper: 4.5 for
// text, 3 for what is drawn. Of Okabe and Ito's colours two have less on white:
// they come last, and dash and mark tell them as well.
func TestHTMLContrast(t *testing.T) {
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(html(t, Loaded{Name: "a", Run: sampleRun()}))[1]
	blocks := map[string]string{"light": "", "dark": "", "print": ""}
	for _, m := range regexp.MustCompile(`(?s)(@media [^{]*\{)?:root\{([^}]*)\}`).FindAllStringSubmatch(style, -1) {
		switch {
		case strings.Contains(m[1], "dark"):
			blocks["dark"] += m[2]
		case strings.Contains(m[1], "print"):
			blocks["print"] += m[2]
		default:
			blocks["light"] += m[2]
		}
	}
	for mode, text := range blocks {
		light := palette(t, blocks["light"])
		maps.Copy(light, palette(t, text))
		for _, c := range []struct {
			least float64
			on    []string
			names string
		}{
			{4.5, []string{"bg", "band"}, "fg soft link good bad wary"},
			{4.5, []string{"esc-paper"}, "esc-ink"},
			{3, []string{"esc-paper"}, "esc-target esc-floor esc-s0 esc-s1 esc-s2 esc-s3 esc-s4"},
			{2.2, []string{"esc-paper"}, "esc-s5 esc-s6"},
		} {
			for name := range strings.FieldsSeq(c.names) {
				for _, on := range c.on {
					fore, ok := light[name]
					back, okBack := light[on]
					if got := (max(fore, back) + 0.05) / (min(fore, back) + 0.05); !ok || !okBack || got < c.least {
						t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", mode, name, on, got, c.least)
					}
				}
			}
		}
	}
}

func TestLoadAllNamesWhatIsGone(t *testing.T) {
	dir := mustWrite(t, t.TempDir(), sampleRun())
	if err := os.Remove(filepath.Join(dir, "bench.txt")); err != nil {
		t.Fatal(err)
	}
	all, err := LoadAll([]string{filepath.Join(filepath.Dir(dir), "latest")})
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Name != filepath.Base(dir) || !slices.Equal(all[0].Lack, []string{"The file bench.txt is gone from the folder."}) {
		t.Errorf("%s lacks %q", all[0].Name, all[0].Lack)
	}
}
