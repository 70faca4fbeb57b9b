package judge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Gate is what gate.yaml says: the rules that a change must keep.
type Gate struct {
	Alpha float64 // chance of any false alarm over all rows
	Rules []Rule
}

// Rule is one requirement on the rows whose names match.
type Rule struct {
	Text  string // as it was written
	Rows  *regexp.Regexp
	Unit  string
	Kind  RuleKind
	Bound float64 // of Unit; for Relative the share by which a row may become worse
}

// RuleKind says how a Rule holds.
type RuleKind int

// The kinds of rule.
const (
	AtMost RuleKind = iota
	AtLeast
	Relative
)

// DefaultGate lets no row become more than 5 % worse in any unit that it has.
func DefaultGate() Gate {
	return Gate{Alpha: Alpha, Rules: []Rule{{Text: "every unit 5 %", Rows: regexp.MustCompile(""), Kind: Relative, Bound: 0.05}}}
}

// gateText is the form of gate.yaml.
type gateText struct {
	Alpha *float64   `yaml:"alpha"`
	Rules []ruleText `yaml:"rules"`
}

type ruleText struct {
	Rows    yaml.Node `yaml:"rows"`
	Require yaml.Node `yaml:"require"`
}

// ParseGate reads gate.yaml:
//
//	alpha: 0.05
//	rules:
//	  - rows: ^(Spsc|Pool)/        # a regular expression on names as in bench.txt
//	    require: ns/op +5 %        # may rise by at most 5 %
//	  - rows: ^Pipeline/
//	    require: events/s -3 %     # may fall by at most 3 %
//	  - rows: lane=realtime
//	    require: p99-ns <= 2000    # or >=
//
// Errors name the file, the line and the key.
func ParseGate(name string, text []byte) (Gate, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var t gateText
	if err := d.Decode(&t); err != nil && !errors.Is(err, io.EOF) {
		return Gate{}, fmt.Errorf("%s: %s", name, strings.Join(strings.Fields(err.Error()), " "))
	}
	g := Gate{Alpha: Alpha}
	if t.Alpha != nil {
		if g.Alpha = *t.Alpha; !(g.Alpha >= 0.0001 && g.Alpha <= 0.5) {
			return Gate{}, fmt.Errorf("%s: alpha %v: use 0.0001 to 0.5", name, g.Alpha)
		}
	}
	if len(t.Rules) == 0 {
		return Gate{}, fmt.Errorf("%s: rules: there is none, so that nothing would be gated", name)
	}
	for _, r := range t.Rules {
		rule, err := parseRule(r)
		if err != nil {
			return Gate{}, fmt.Errorf("%s:%d: %w", name, max(r.Require.Line, r.Rows.Line), err)
		}
		g.Rules = append(g.Rules, rule)
	}
	return g, nil
}

var requirement = regexp.MustCompile(`^(\S+)\s+(<=|>=|\+|-)\s*([0-9.eE+]+)\s*(%?)$`)

func parseRule(t ruleText) (Rule, error) {
	rule := Rule{Text: t.Require.Value}
	rows, err := regexp.Compile(t.Rows.Value)
	if err != nil {
		return rule, fmt.Errorf("rows: %w", err)
	}
	rule.Rows = rows
	m := requirement.FindStringSubmatch(strings.TrimSpace(t.Require.Value))
	if m == nil {
		return rule, fmt.Errorf("require: %q is not a rule: write UNIT <= N, UNIT >= N, UNIT +N %% or UNIT -N %%", t.Require.Value)
	}
	rule.Unit = m[1]
	rule.Bound, err = strconv.ParseFloat(m[3], 64)
	if err != nil || !(rule.Bound > 0) {
		return rule, fmt.Errorf("require: %q is not a number above 0", m[3])
	}
	return rule.ofSign(m[2], m[4] == "%")
}

// ofSign fills in the kind, which must agree with the unit's direction.
func (r Rule) ofSign(sign string, percent bool) (Rule, error) {
	relative := sign == "+" || sign == "-"
	switch {
	case relative != percent:
		return r, fmt.Errorf("require: %q: a share has a sign and %%, a bound has <= or >=", r.Text)
	case !relative && (sign == ">=") != MoreIsBetter(r.Unit):
		return r, fmt.Errorf("require: %q bounds %s from its good side", r.Text, r.Unit)
	case relative && (sign == "-") != MoreIsBetter(r.Unit):
		return r, fmt.Errorf("require: %q: %s becomes worse the other way", r.Text, r.Unit)
	}
	switch sign {
	case "<=":
		r.Kind = AtMost
	case ">=":
		r.Kind = AtLeast
	default:
		r.Kind = Relative
		r.Bound /= 100
		if sign == "-" { // a rate that falls by b makes each event take 1/(1-b) as long
			if r.Bound >= 1 {
				return r, fmt.Errorf("require: %q: a rate cannot fall by 100 %% or more", r.Text)
			}
			r.Bound = 1/(1-r.Bound) - 1
		}
	}
	return r, nil
}

// covers says whether the rule is about row in unit. Without a unit it is about
// all, but for multiples of floors, which are the same figures once more.
func (r Rule) covers(row, unit string) bool {
	return r.Rows.MatchString(row) && (r.Unit == unit || r.Unit == "" && unit != XFloor)
}
