package reports

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/reports/record"
)

// leaves is the path of each value within v, with those of a list taken from its
// first element.
func leaves(v any, path string, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			leaves(x, path+"/"+k, found)
		}
	case []any:
		if len(v) > 0 {
			leaves(v[0], path+"/0", found)
		}
	}
	found[path] = true
}

// damaged is text with what lies at path replaced.
func damaged(t *testing.T, text []byte, path string, with any) []byte {
	t.Helper()
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	at := root
	keys := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, k := range keys {
		last := i == len(keys)-1
		switch v := at.(type) {
		case map[string]any:
			if at = v[k]; last {
				v[k] = with
			}
		case []any:
			if at = v[0]; last {
				v[0] = with
			}
		}
	}
	out, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// everyForm writes all that can be made of a run, for its panics.
func everyForm(run record.Run) error {
	runs := []Loaded{{Name: "a", Run: run}, {Name: "b", Run: run}, {Name: "c", Run: run}}
	for _, write := range []func() error{
		func() error { return HTML(io.Discard, runs) },
		func() error { return Table(io.Discard, run, 80, true) },
		func() error { return Markdown(io.Discard, runs) },
		func() error { return Bench(io.Discard, run) },
		func() error { return CSV(io.Discard, run) },
		func() error { return Action(io.Discard, run, true) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// A run that was damaged in one place, or made by somebody with bad intent, is
// still shown, or refused: it never ends the program.
func TestDamageIsSurvived(t *testing.T) {
	run := richRun()
	run.Rows = slices.Concat(run.Rows[2:3], run.Rows[:2])
	for i := range run.Rows {
		run.Rows[i].Trials = run.Rows[i].Trials[:6]
	}
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	leaves(root, "", paths)
	delete(paths, "")
	type damage struct {
		path string
		with any
	}
	var all []damage
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, with := range []any{nil, 0, -1, 1e300, "", strings.Repeat("x", 300), []any{}} {
			all = append(all, damage{path, with})
		}
	}
	seed := uint64(time.Now().UnixNano())
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	began, length := time.Now(), soakLength(t)
	for i, d := range all {
		if i >= damagesLeast && time.Since(began) >= length {
			t.Logf("seed %d: %d of %d kinds of damage", seed, i, len(all))
			break
		}
		t.Run(fmt.Sprintf("%s=%.4v", d.path, d.with), func(t *testing.T) {
			var got record.Run
			if parse("run.json", damaged(t, text, d.path, d.with), &got) == nil {
				_ = everyForm(got) // an error is an answer
			}
		})
	}
}

const damagesLeast = 30 // kinds of damage that are tried each time: some seconds

// soakLength is how long the longer checks go on, as ESC_SOAK says.
func soakLength(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("ESC_SOAK")
	if text == "" {
		return 0
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("ESC_SOAK: %v: give a duration, such as 1m", err)
	}
	return length
}

// wrapped is the body of a histogram in its envelope, as HdrHistogram writes it.
func wrapped(t testing.TB, body []byte) string {
	t.Helper()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	envelope := binary.BigEndian.AppendUint32(nil, 0x1c849304)
	envelope = binary.BigEndian.AppendUint32(envelope, uint32(packed.Len()))
	return base64.StdEncoding.EncodeToString(append(envelope, packed.Bytes()...))
}

// body is what is in the envelope of an encoded histogram.
func body(t testing.TB, encoded string) []byte {
	t.Helper()
	envelope, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(envelope[8:]))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return inner
}

// A histogram from elsewhere may say anything: it is drawn or refused.
func FuzzHistogram(f *testing.F) {
	inner := body(f, tails()[0].Encoded)
	f.Add(inner)
	f.Add(inner[:len(inner)/2])
	f.Add(inner[:40])
	f.Fuzz(func(t *testing.T, inner []byte) {
		d := record.Distribution{Name: "x", Count: 1000, Min: 1, Max: 1000, Encoded: wrapped(t, inner)}
		_, _ = curve(d)
		_ = bars(d)
	})
}
