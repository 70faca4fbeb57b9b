package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// field is a pflag.Value for a T, and what may stand for it in the file. All that an
// option can be told is one of the values below.
type field[T any] struct {
	at     *T
	parse  func(string) (T, error)
	format func(T) string
	kind   string // the flag's type in help, and the key of kinds
}

func (f field[T]) Set(text string) error {
	v, err := f.parse(text)
	if err == nil {
		*f.at = v
	}
	return err
}

func (f field[T]) String() string {
	if f.at == nil { // a zero value, which pflag makes to compare with
		return ""
	}
	return f.format(*f.at)
}

func (f field[T]) Type() string { return f.kind }

func same(s string) string { return s }

func text(at *string) pflag.Value {
	return field[string]{at, func(s string) (string, error) { return s, nil }, same, "string"}
}

// choice is a word of a few.
func choice[T any](at *T, parse func(string) (T, error), format func(T) string) pflag.Value {
	return field[T]{at, parse, format, "name"}
}

func address(at *string) pflag.Value {
	return field[string]{at, func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		if _, _, err := net.SplitHostPort(s); err != nil {
			return "", fmt.Errorf("%q is no HOST:PORT: write it as 127.0.0.1:9000 or [::1]:9000", s)
		}
		return s, nil
	}, same, "address"}
}

func truth(at *bool) pflag.Value {
	return field[bool]{at, func(s string) (bool, error) {
		switch s {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("%q is not true or false", s)
	}, strconv.FormatBool, "bool"}
}

func count(at *int) pflag.Value {
	return field[int]{at, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%s is out of range", s)
		} else if err != nil {
			return 0, fmt.Errorf("%q is no whole number", s)
		}
		return n, nil
	}, strconv.Itoa, "int"}
}

func count64(at *uint64) pflag.Value {
	return field[uint64]{at, func(s string) (uint64, error) {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no whole number of 0 or more", s)
		}
		return n, nil
	}, func(n uint64) string { return strconv.FormatUint(n, 10) }, "int"}
}

func asReal(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return v, nil
}

func showReal(v float64) string { return strconv.FormatFloat(v, 'g', 10, 64) }

func real(at *float64) pflag.Value { return field[float64]{at, asReal, showReal, "float"} }

// percent is a share, told and shown a hundredfold.
func percent(at *float64) pflag.Value {
	return field[float64]{at, func(s string) (float64, error) {
		v, err := asReal(s)
		return v / 100, err
	}, func(v float64) string { return showReal(100 * v) }, "float"}
}

func milliseconds(at *time.Duration) pflag.Value {
	return field[time.Duration]{at, func(s string) (time.Duration, error) {
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is no whole number of milliseconds", s)
		}
		return time.Duration(n) * time.Millisecond, nil
	}, func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }, "int"}
}

func span(at *time.Duration) pflag.Value {
	return field[time.Duration]{at, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("%q is no time: write a number and its unit, as 10ms, 5s or 1h", s)
		}
		return d, nil
	}, shortSpan, "duration"}
}

// shortSpan drops the zeros that time.Duration prints: 1h, not 1h0m0s.
func shortSpan(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// size is bytes, with or without a unit.
func size[T int | int64](at *T) pflag.Value {
	return field[T]{at, func(s string) (T, error) {
		digits, unit := s, int64(1)
		for _, u := range sizeUnits {
			if number, ok := strings.CutSuffix(s, u.name); ok {
				digits, unit = strings.TrimSpace(number), u.bytes
			}
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > (1<<63-1)/unit || n < 0 {
			return 0, fmt.Errorf("%q is no size: write bytes, or a number and KiB, MiB, GiB or TiB", s)
		}
		return T(n * unit), nil
	}, func(n T) string {
		for _, u := range sizeUnits {
			if n != 0 && int64(n)%u.bytes == 0 {
				return strconv.FormatInt(int64(n)/u.bytes, 10) + u.name
			}
		}
		return strconv.FormatInt(int64(n), 10)
	}, "size"}
}

// plans are the names of the plans, with the number of their threads.
var plans = map[string]int{"fused": 1, "split": 2}

func asPlan(name string) (string, error) {
	if plans[name] == 0 {
		return "", fmt.Errorf("plan %q: use fused or split", name)
	}
	return name, nil
}

func asCPUs(list string) (cpus []int, err error) {
	if list == "" {
		return nil, nil
	}
	for _, number := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no CPU number: use numbers as in /sys/devices/system/cpu/online", number)
		}
		cpus = append(cpus, n)
	}
	return cpus, nil
}

// anyNode is the name of whichever node the kernel chooses.
const anyNode = "any"

func asNode(name string) (*int, error) {
	if name == anyNode {
		return nil, nil
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%q is no node: use %s, or a number as in /sys/devices/system/node/online", name, anyNode)
	}
	return &n, nil
}

func nodeName(node *int) string {
	if node == nil {
		return anyNode
	}
	return strconv.Itoa(*node)
}

func asList(text string) (items []string, err error) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, nil
}

func joined(items []string) string { return strings.Join(items, ",") }

func cpuList(cpus []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(cpus), "[]"), " ", ",")
}
