package chart

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var keep = flag.String("gallery", "", "folder that gets every figure, to be looked at")

// gallery is one figure of each kind.
func gallery(t *testing.T) map[string]*Figure {
	t.Helper()
	all := map[string]*Figure{}
	add := func(name string, f *Figure, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = f
	}
	r := rand.New(rand.NewPCG(1, 1))
	percentiles, err := Percentiles("pipeline/rate=200000", "about", []Series{tail("raw", 100, 200), tail("quiet", 100, 150)},
		[]Level{{"target e2e: p99 <5 us", 5000, TargetLevel}, {"floor: line transfer 130 ns", 130, FloorLevel}})
	add("percentiles", percentiles, err)
	times := []Series{{Name: "p50"}, {Name: "p99"}, {Name: "max"}}
	for i := range 5000 {
		for j, ns := range []float64{240, 900, 50_000} {
			times[j].Points = append(times[j].Points, Point{float64(i) * 2e6, ns * math.Exp(0.3*r.NormFloat64())})
		}
	}
	f, err := OverTime("latency over time", "about", times, []Level{{"target", 5000, TargetLevel}}, []Note{{Point{4e9, 50_000}, "ELEVATED"}})
	add("time", f, err)
	f, err = Loads("capacity of tcp", "about", []Series{
		{Name: "p50", Points: []Point{{1e6, 300}, {4e6, 320}, {7e6, 400}, {8e6, 2e4}}, Marks: []Point{{1e6, 300}, {4e6, 320}, {7e6, 400}, {8e6, 2e4}}},
		{Name: "p99", Points: []Point{{1e6, 900}, {4e6, 1200}, {7e6, 5000}, {8e6, 3e6}}, Marks: []Point{{1e6, 900}, {4e6, 1200}, {7e6, 5000}, {8e6, 3e6}}},
	}, 7e6, []Note{{Point{8e6, 3e6}, "DEGRADED"}, {Point{7e6, 5000}, "HEALTHY"}})
	add("loads", f, err)
	sweep := Series{Name: "dependent load"}
	for e := 12; e <= 29; e++ {
		at := Point{math.Exp2(float64(e)), 1.2 + math.Pow(float64(e-11), 2)/3*math.Max(0, float64(e-16))}
		sweep.Points, sweep.Ranges = append(sweep.Points, at), append(sweep.Ranges, Range{at.X, at.Y * 0.9, at.Y * 1.2})
	}
	f, err = Sweep("random access", "about", []Series{sweep}, []Level{{"L1d 32 KiB", 32 << 10, FloorLevel}, {"L2 1 MiB", 1 << 20, FloorLevel}, {"L3 32 MiB", 32 << 20, FloorLevel}})
	add("sweep", f, err)
	strip := []Series{{Name: "steal"}, {Name: "interrupt"}, {Name: "unexplained"}}
	for i := range 3000 {
		s := &strip[r.IntN(3)]
		s.Points = append(s.Points, Point{float64(i) * 1e6, 1000 * math.Exp(1.5*r.ExpFloat64())})
	}
	f, err = Strip("gaps of hot on CPU 1", "about", strip)
	add("strip", f, err)
	for _, n := range []int{2, 8, 64, 192} {
		g := Grid{From: "from CPU", To: "to CPU", Format: func(v float64) string { return fmt.Sprintf("%.0f", v) }}
		for i := range n {
			g.Rows, g.Columns = append(g.Rows, fmt.Sprint(i)), append(g.Columns, fmt.Sprint(i))
			row := make([]float64, n)
			for j := range row {
				row[j] = 40 + 300*math.Abs(float64(i/4-j/4)) + 60*r.Float64()
			}
			row[i] = math.NaN()
			g.Values = append(g.Values, row)
		}
		f, err = Heat(fmt.Sprintf("core to core, %d CPUs, ns", n), "about", g)
		add(fmt.Sprintf("heat%d", n), f, err)
	}
	f, err = Waterfall("a typical event", "about", []Span{{"parse", false, 25}, {"lane", true, 90}, {"dispatch", false, 8}, {"realtime lane", true, 140}, {"process", false, 30}, {"append", false, 18}})
	add("waterfall", f, err)
	f, err = Forest("new over old", "about", "new over old", []Ratio{{"Spsc-1 ns/op", 1.01, 0.98, 1.03, Unsure}, {"Tcp/size=78/span=received-stored-2 p99-ns", 1.3, 1.2, 1.45, Poor}, {"Pool-1 ns/op", 0.9, 0.88, 0.93, Good}},
		[Outcomes]string{"better", "worse", "no significant change"})
	add("forest", f, err)
	f, err = Trials("spsc ns/op", "about", []Group{{"old", normals(r, 10, 5.2)}, {"new", normals(r, 20, 5.3)}}, Duration)
	add("trials", f, err)
	f, err = Trials("a narrow and a wide one", "about", []Group{{"old", normals(r, 10, 5.2)}, {"new", []float64{10, 900, 2000, 50_000}}, {"none", nil}, {"alike", []float64{3, 3, 3}}}, Duration)
	add("trials-apart", f, err)
	f, err = Trend("spsc over runs", "about", []Moment{{"03-01 abc", 5.2, 5.1, 5.3}, {"03-02 def", 5.1, 5.05, 5.3}, {"03-03 0123456", 6.4, 6, 7}}, Duration, []Level{{"target <10 ns", 10, TargetLevel}})
	add("trend", f, err)
	return all
}

func normals(r *rand.Rand, n int, center float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = center * (1 + 0.01*r.NormFloat64())
	}
	return values
}

// Every kind of figure draws, keeps to the content policy and to its size.
func TestGallery(t *testing.T) {
	for name, f := range gallery(t) {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := f.SVG(&b); err != nil {
				t.Fatal(err)
			}
			if *keep != "" {
				keepFigure(t, name, f)
			}
			if b.Len() > 100<<10 {
				t.Errorf("%d bytes", b.Len())
			}
			for _, bad := range []string{"style=\"", "href", "NaN", "Inf", "%!"} {
				if strings.Contains(b.String(), bad) {
					t.Errorf("%s in the figure", bad)
				}
			}
			if !strings.HasPrefix(name, "heat") { // whose cells look the same by day and by night
				checkElements(t, b.String())
			}
		})
	}
}

func keepFigure(t *testing.T, name string, f *Figure) {
	t.Helper()
	for ext, write := range map[string]func(*os.File) error{".svg": func(w *os.File) error { return f.SVG(w) }, ".png": func(w *os.File) error { return f.PNG(w) }} {
		file, err := os.Create(filepath.Join(*keep, name+ext))
		if err != nil {
			t.Fatal(err)
		}
		if err := write(file); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}
