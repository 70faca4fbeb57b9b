package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

// tail is a series of n points that rises with the nines.
func tail(name string, n int, ns float64) Series {
	s := Series{Name: name}
	for i := range n {
		percent := 100 * (1 - math.Pow(10, -4*float64(i)/float64(n)))
		s.Points = append(s.Points, Point{percent, ns * (1 + 0.3*float64(i))})
	}
	s.Marks = []Point{s.Points[n/2]}
	return s
}

func sample(t *testing.T) *Figure {
	t.Helper()
	f, err := Percentiles("a & b", "about <it>", []Series{tail("raw", 100, 200), tail("quiet", 100, 150)},
		[]Level{{"target", 5000, TargetLevel}, {"floor", 130, FloorLevel}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A figure goes under a strict content policy: well-formed, no style
// attributes, no request, every colour a class of the theme.
func TestSVG(t *testing.T) {
	var b bytes.Buffer
	if err := sample(t).SVG(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, bad := range []string{"style=\"", "href", "url(", "@import", "<script", "<image"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s in the figure", bad)
		}
	}
	if strings.Contains(strings.Replace(text, `xmlns="http://www.w3.org/2000/svg"`, "", 1), "http") {
		t.Error("an address in the figure")
	}
	if b.Len() > 100<<10 {
		t.Errorf("%d bytes", b.Len())
	}
	checkElements(t, text)
}

// TestNoTwoLevelsLookAlike: every level of a figure has a stroke of its own.
func TestNoTwoLevelsLookAlike(t *testing.T) {
	seen := map[string]string{}
	for k := range kinds {
		for nth := range 4 {
			style, what := levelLine(k, nth), fmt.Sprint(k, nth)
			stroke := fmt.Sprint(style.Color, style.Dashes)
			if other, ok := seen[stroke]; ok {
				t.Errorf("levels %s and %s have the stroke %s", what, other, stroke)
			}
			seen[stroke] = what
		}
	}
	f, err := Percentiles("a", "about", []Series{tail("raw", 100, 200)}, []Level{{"p99", 5000, TargetLevel}, {"claim", 2000, TargetLevel}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.SVG(&b); err != nil {
		t.Fatal(err)
	}
	if f.drawn[TargetLevel] != 2 || strings.Count(b.String(), `stroke-dasharray="12,4,2,4"`) < 2 {
		t.Errorf("%d targets, and the second is not told apart: %s", f.drawn[TargetLevel], regexp.MustCompile(`stroke-dasharray="[^"]*"`).FindAllString(b.String(), -1))
	}
}

func checkElements(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			checkColours(t, e)
		}
	}
}

func checkColours(t *testing.T, e xml.StartElement) {
	t.Helper()
	class, coloured := "", false
	for _, a := range e.Attr {
		switch a.Name.Local {
		case "class":
			class = a.Value
		case "fill", "stroke":
			coloured = coloured || a.Value != "none"
		}
	}
	if coloured && class == "" {
		t.Errorf("%s %v has a colour that no theme changes", e.Name.Local, e.Attr)
	}
}

func TestInlineBringsNoTheme(t *testing.T) {
	text, err := sample(t).Inline()
	if err != nil || strings.Contains(text, "<style") {
		t.Errorf("%v, %t", err, strings.Contains(text, "<style"))
	}
	for _, want := range []string{"<title>a &amp; b</title>", "<desc>about &lt;it&gt;</desc>", `role="img"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestPNG(t *testing.T) {
	var b bytes.Buffer
	if err := sample(t).PNG(&b); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil || img.Bounds().Dx() < 1200 {
		t.Errorf("%v %v", err, img.Bounds())
	}
}

func TestShadesAreDistinct(t *testing.T) {
	seen := map[string]string{}
	for _, s := range shades {
		if other, ok := seen[hex(s.light)]; ok {
			t.Errorf("%s and %s share %s: a class could not tell them apart", s.class, other, hex(s.light))
		}
		seen[hex(s.light)] = s.class
	}
	if len(shades)-firstSeries != SeriesMax || len(dashes) != SeriesMax || len(marks) != SeriesMax {
		t.Error("colours, dashes and marks differ in number")
	}
}

func TestPercentilesRefuses(t *testing.T) {
	zero := Series{Name: "zero", Points: []Point{{50, 0}, {100, 12}}}
	if _, err := Percentiles("t", "", []Series{zero}, nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("%v of a series that cannot be drawn", err)
	}
	if _, err := Percentiles("t", "", make([]Series, SeriesMax+1), nil); err == nil {
		t.Error("more series than colours")
	}
}

func labels(ticks []plot.Tick) string {
	var all []string
	for _, t := range ticks {
		if t.Label != "" {
			all = append(all, t.Label)
		}
	}
	return strings.Join(all, " | ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{labels(nineTicks{}.Ticks(0, 4.5)), "0 | 50 | 75 | 90 | 99 | 99.9 | 99.99"},
		{labels(durationTicks{}.Ticks(50, 5000)), "50 ns | 100 ns | 200 ns | 500 ns | 1 us | 2 us | 5 us"},
		{labels(durationTicks{}.Ticks(1, 1e9)), "1 ns | 10 ns | 100 ns | 1 us | 10 us | 100 us | 1 ms | 10 ms | 100 ms | 1 s"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func TestRoundOut(t *testing.T) {
	for _, c := range []struct{ low, high, from, to float64 }{
		{130, 467_000, 100, 500_000}, {200, 200, 200, 400}, {3, 7, 2, 10}, {0.7, 1, 0.5, 1}, {999, 1001, 500, 2000}, {1000, 5000, 1000, 5000},
	} {
		from, to := roundOut(c.low, c.high)
		if math.Abs(from-c.from) > 1e-9 || math.Abs(to-c.to) > 1e-9 {
			t.Errorf("%v..%v to %v..%v, want %v..%v", c.low, c.high, from, to, c.from, c.to)
		}
	}
}

func TestDuration(t *testing.T) {
	for ns, want := range map[float64]string{0.5: "0.5 ns", 5: "5 ns", 999: "999 ns", 1000: "1 us", 2.5e6: "2.5 ms", 1e9: "1 s", 6e10: "60 s"} {
		if got := Duration(ns); got != want {
			t.Errorf("%v reads %s, want %s", ns, got, want)
		}
	}
}
