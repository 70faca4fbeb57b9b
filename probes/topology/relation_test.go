package topology

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestRelations(t *testing.T) {
	for _, test := range []struct {
		machine string
		a, b    int
		want    Relation
	}{
		{"epyc-2p24c2t-nps4", 0, 48, Sibling},
		{"epyc-2p24c2t-nps4", 0, 1, SameL3},
		{"epyc-2p24c2t-nps4", 0, 4, CrossL3},
		{"epyc-2p24c2t-nps4", 0, 6, CrossNode},
		{"epyc-2p24c2t-nps4", 0, 24, CrossPackage},
		{"intel-hybrid-6p8e", 12, 13, SameL2},
		{"intel-hybrid-6p8e", 0, 19, SameL3},
		{"opteron-4p-8node-modules", 0, 1, SameL2},
		{"xeon-2p4c-buggy-numa", 0, 1, CrossPackage},
		{"arm-2c-noinfo", 0, 1, CrossL3},
		{"qemu-2p2d2c2t-4n", 0, 4, CrossNode},
		{"qemu-isolated-offline", 0, 4, CrossPackage},
	} {
		for _, dir := range fixtures(t) {
			if filepath.Base(dir) != test.machine {
				continue
			}
			m, err := Read(capture(t, filepath.Join(dir, "tree.tar.gz")))
			if err != nil {
				t.Fatal(err)
			}
			places := m.Places()
			if got := places[test.a].To(places[test.b]); got != test.want {
				t.Errorf("%s: CPU %d to %d is %v, want %v", test.machine, test.a, test.b, got, test.want)
			}
		}
	}
}

// TestRelationsAreSymmetric looks at every pair of every machine.
func TestRelationsAreSymmetric(t *testing.T) {
	for _, dir := range fixtures(t) {
		m, err := Read(capture(t, filepath.Join(dir, "tree.tar.gz")))
		if err != nil {
			t.Fatal(err)
		}
		places := m.Places()
		for _, a := range m.Online {
			for _, b := range m.Online {
				if ab, ba := places[a].To(places[b]), places[b].To(places[a]); a != b && (ab != ba || ab == Self) {
					t.Fatalf("%s: CPU %d to %d is %v, back %v", dir, a, b, ab, ba)
				}
			}
		}
	}
}

func TestRelationText(t *testing.T) {
	for r := range Relation(Relations) {
		text, _ := r.MarshalText()
		var back Relation
		if err := back.UnmarshalText(text); err != nil || back != r {
			t.Errorf("%v is read back as %v, %v", r, back, err)
		}
	}
	var r Relation
	if err := r.UnmarshalText([]byte("near")); err == nil {
		t.Error("an unknown name: no error")
	}
}

func TestMatrixCSV(t *testing.T) {
	m := NewMatrix(List{0, 2, 7})
	m.Set(0, 7, 55.25)
	m.Set(7, 2, 80)
	var text bytes.Buffer
	if err := m.WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	const want = "cpu,0,2,7\n0,,,55.25\n2,,,80.00\n7,55.25,80.00,\n"
	if text.String() != want {
		t.Errorf("written:\n%swant:\n%s", text.String(), want)
	}
	back, err := ReadCSV(&text)
	if err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("read back %+v, %v", back, err)
	}
	if back.At(0, 7) != 55.25 || back.At(7, 0) != 55.25 || back.At(0, 2) != 0 || back.At(5, 7) != 0 {
		t.Error("At: wrong cell")
	}
}

var badMatrices = []string{
	"", "cpu\n", "cpu,0\n", "x,0\n0,\n", "cpu,0,1\n0,,\n", "cpu,1,0\n1,,\n0,,\n", "cpu,0,1\n0,,\n2,,\n",
	"cpu,0,1\n0,,-3\n1,-3,\n", "cpu,0,1\n0,,NaN\n1,,\n", "cpu,0,1\n0,,Inf\n1,,\n", "cpu,0,x\n0,,\nx,,\n", "cpu,0,1\n0,\n1,,\n",
}

func TestMatrixRefusesGarbage(t *testing.T) {
	for _, text := range badMatrices {
		if _, err := ReadCSV(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want an error of one line", text, err)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	for _, seed := range append(badMatrices, "cpu,0,2\n0,,1.5\n2,1.5,\n") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ReadCSV(strings.NewReader(text))
		if err != nil {
			return
		}
		for i := range m.CPUs {
			if len(m.Ns[i]) != len(m.CPUs) {
				t.Fatalf("%q: not square", text)
			}
		}
	})
}

func TestSummarise(t *testing.T) {
	m, err := Read(capture(t, "testdata/guests/qemu-2p2d2c2t-4n/tree.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	costs := NewMatrix(m.Online)
	costs.Set(0, 1, 10)
	costs.Set(0, 2, 30)
	costs.Set(1, 2, 50)
	costs.Set(0, 8, 200)
	got := costs.Summarise(m)
	want := []Summary{{Sibling, 1, 10, 10, 10}, {CrossL3, 2, 30, 50, 50}, {CrossPackage, 1, 200, 200, 200}}
	if places := m.Places(); places[0].To(places[2]) == SameL3 {
		want[1].Relation = SameL3
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
