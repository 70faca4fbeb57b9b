package topology

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	for _, test := range []struct {
		text string
		want string // "!" is an error
	}{
		{"", ""}, {"\n", ""}, {"\x00", ""}, {"(null)\n", ""}, {"   (null)", ""},
		{"0", "0"}, {"0-3\n", "0-3"}, {"0-7\n\x00", "0-7"}, {"0,2-3, 8", "0,2-3,8"},
		{"3,1,2", "1-3"}, {"1-3,2-5", "1-5"}, {"0-15:1/4", "0,4,8,12"}, {"0-7:2/4", "0-1,4-5"},
		{"16383", "16383"},
		{"16384", "!"}, {"0-4294967295", "!"}, {"0-99999999999999999999", "!"}, {"3-1", "!"}, {"-1", "!"}, {"1-", "!"},
		{"a", "!"}, {"0x3", "!"}, {"1,,2", "!"}, {"0-3:4/2", "!"}, {"0-3:0/2", "!"}, {"0-3:1", "!"}, {"ff,ff", "!"},
	} {
		list, err := ParseList(test.text)
		got := list.String()
		if err != nil {
			got = "!"
		}
		if got != test.want {
			t.Errorf("%q: %q (%v), want %q", test.text, got, err, test.want)
		}
	}
}

func TestParseMask(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"0", ""}, {"1\n", "0"}, {"ff", "0-7"}, {"0000ffff", "0-15"}, {"00000001,00000000", "32"},
		{"0000,00000000,000000ff,ff000000", "24-39"}, {"80000000,00000001", "0,63"}, {"ffff00000000ffff", "0-15,48-63"},
		{"", "!"}, {"0-3", "!"}, {"g", "!"}, {",", "!"}, {"1" + strings.Repeat(",00000000", 512), "!"},
	} {
		list, err := parseMask(test.text)
		got := list.String()
		if err != nil {
			got = "!"
		}
		if got != test.want {
			t.Errorf("%q: %q (%v), want %q", test.text, got, err, test.want)
		}
	}
}

// TestListTwin compares the set operations with a map that does the same.
func TestListTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func() (list List, set map[int]bool) {
		set = map[int]bool{}
		for range random.IntN(20) {
			set[random.IntN(30)] = true
		}
		for n := range set {
			list = append(list, n)
		}
		slices.Sort(list)
		return list, set
	}
	for range 2000 {
		a, inA := draw()
		b, inB := draw()
		for n := range 30 {
			if a.Has(n) != inA[n] || a.And(b).Has(n) != (inA[n] && inB[n]) || a.Less(b).Has(n) != (inA[n] && !inB[n]) {
				t.Fatalf("%d in %v and %v", n, a, b)
			}
		}
		back, err := ParseList(a.String())
		if err != nil || !slices.Equal(back, append(List{}, a...)) {
			t.Fatalf("%v written and read: %v, %v", a, back, err)
		}
	}
}

func FuzzParseList(f *testing.F) {
	for _, seed := range []string{"0-3,8", "0-15:1/4", "(null)", "\x00", "1-", ",", "0-4294967295", "18446744073709551616"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (List, error){ParseList, parseMask} {
			list, err := parse(text)
			if err != nil {
				continue
			}
			if !slices.IsSorted(list) || len(list) != len(slices.Compact(slices.Clone(list))) {
				t.Errorf("%q: not ascending, or not once each: %v", text, []int(list))
			}
			if back, err := ParseList(list.String()); err != nil || fmt.Sprint(back) != fmt.Sprint(list) {
				t.Errorf("%q: %v is read back as %v, %v", text, list, back, err)
			}
		}
	})
}
