package topology

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// List is a set of CPU or node numbers, ascending, each once. Its text is the
// kernel's list format, "0-3,8"; "" is the empty set. A nil List is the empty
// set too: where a file does not say, the field is a pointer.
type List []int

// numberMax bounds the numbers a list may hold: twice the kernel's largest
// NR_CPUS. Without it a garbled "0-4294967295" takes all memory, which is why
// k8s.io/utils/cpuset, otherwise the same grammar, is not used here.
const numberMax = 1<<14 - 1

// ParseList reads the kernel's list format as the kernel writes it and as
// captured files hold it: white space and NUL bytes round it, "(null)" for no
// list, "0-31:2/4" for groups.
func ParseList(text string) (List, error) {
	text = strings.Trim(text, " \t\r\n\x00")
	if text == "" || text == "(null)" {
		return List{}, nil
	}
	list := List{}
	for part := range strings.SplitSeq(text, ",") {
		var err error
		if list, err = appendRange(list, strings.TrimSpace(part)); err != nil {
			return nil, fmt.Errorf("list %.40q: %w", text, err)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// appendRange reads "a", "a-b" or "a-b:used/group".
func appendRange(list List, part string) (List, error) {
	span, groups, grouped := strings.Cut(part, ":")
	first, last, isRange := strings.Cut(span, "-")
	from, err := parseNumber(first)
	if err != nil {
		return nil, err
	}
	to, used, group := from, 1, 1
	if isRange {
		if to, err = parseNumber(last); err != nil {
			return nil, err
		}
	}
	if grouped {
		u, g, _ := strings.Cut(groups, "/")
		used, err = parseNumber(u)
		if err == nil {
			group, err = parseNumber(g)
		}
		if err != nil {
			return nil, err
		}
	}
	if from > to || used < 1 || group < used {
		return nil, fmt.Errorf("range %q runs backwards", part)
	}
	for n := from; n <= to; n++ {
		if (n-from)%group < used {
			list = append(list, n)
		}
	}
	return list, nil
}

func parseNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.20q is not a number", text)
	}
	if n > numberMax {
		return 0, fmt.Errorf("number %d is over %d", n, numberMax)
	}
	return int(n), nil
}

// parseMask reads the kernel's mask format: 32-bit hexadecimal words separated
// by commas, the last one lowest.
func parseMask(text string) (List, error) {
	text = strings.Trim(text, " \t\r\n\x00")
	words := strings.Split(strings.TrimPrefix(text, "0x"), ",")
	slices.Reverse(words)
	list := List{}
	for i, word := range words {
		if word == "00000000" {
			continue
		}
		w, err := strconv.ParseUint(word, 16, 64) // one unbroken word may be wider than 32 bits
		if err != nil {
			return nil, fmt.Errorf("mask %.40q: %.20q is not hexadecimal", text, word)
		}
		for ; w != 0; w &= w - 1 {
			n := i*32 + bits.TrailingZeros64(w)
			if n > numberMax {
				return nil, fmt.Errorf("mask %.40q: number %d is over %d", text, n, numberMax)
			}
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func (l List) String() string {
	var b strings.Builder
	for i := 0; i < len(l); {
		last := i
		for last+1 < len(l) && l[last+1] == l[last]+1 {
			last++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(l[i]))
		if last > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(l[last]))
		}
		i = last + 1
	}
	return b.String()
}

// MarshalText writes the kernel's list format.
func (l List) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the kernel's list format.
func (l *List) UnmarshalText(text []byte) (err error) {
	*l, err = ParseList(string(text))
	return err
}

// Has reports whether n is in the set.
func (l List) Has(n int) bool {
	_, found := slices.BinarySearch(l, n)
	return found
}

// And is the set of what is in both.
func (l List) And(other List) List {
	return l.filter(other.Has)
}

// Less is the set of what is in l and not in other.
func (l List) Less(other List) List {
	return l.filter(func(n int) bool { return !other.Has(n) })
}

func (l List) filter(keep func(int) bool) List {
	out := List{}
	for _, n := range l {
		if keep(n) {
			out = append(out, n)
		}
	}
	return out
}
