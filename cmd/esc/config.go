package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"eventstreamcore/engine"
	"eventstreamcore/engine/admin"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/process"
)

// settings is all that esc serve was told.
type settings struct {
	data, topics string
	plan         string
	cpus         []int
	helpers      int
	sublanes     int
	idle         duty.Idle
	node         *int // of the events' memory; nil is any
	guard        guard
	alerts       alerts
	tokenFile    string
	admin        admin.Config
	cluster      membership
	file         ingest.Input  // without a path there is none
	engine       engine.Config // but for its folder, plan and logger
}

// newSettings is what holds when nothing is told.
func newSettings() *settings {
	s := &settings{plan: "fused", cluster: newMembership(), alerts: alerts{log: true}, engine: engine.Default(""), file: ingest.Input{Priority: event.Medium, Follow: true}}
	s.engine.TCP.Address, s.engine.Publishers = "127.0.0.1:9000", 0
	return s
}

// told gathers the settings: the file is overruled by the environment, and that
// by the flags that were given. Warnings are about variables that name nothing.
func told(file string, environment []string, flags *pflag.FlagSet) (s *settings, warnings []string, err error) {
	s = newSettings()
	options := s.options()
	if file != "" {
		if err := s.readFile(file, options); err != nil {
			return nil, nil, err
		}
	}
	if warnings, err = readEnvironment(environment, options); err != nil {
		return nil, nil, err
	}
	for i, o := range options {
		if f := flags.Lookup(o.flag); o.flag != "" && f != nil && f.Changed {
			if err := set(options, i, f.Value.String()); err != nil {
				return nil, nil, fmt.Errorf("--%s: %w", o.flag, err)
			}
		}
	}
	if err := s.readToken(); err != nil {
		return nil, nil, err
	}
	return s, warnings, s.validate()
}

// set sets the option, if it is good by itself, whatever the others say.
func set(options []option, i int, text string) error {
	alone := newSettings()
	if err := alone.options()[i].value.Set(text); err != nil {
		return err
	}
	if err := alone.validate(); err != nil && !errors.Is(err, errTogether) {
		key := options[i].key
		return errors.New(strings.TrimPrefix(err.Error(), key[strings.LastIndexByte(key, '.')+1:]+": "))
	}
	return options[i].value.Set(text)
}

// errTogether marks what is wrong with options that are each good alone.
var errTogether = errors.New("options that do not go together")

// validate judges the settings, but for whether there is a folder.
func (s *settings) validate() error {
	cfg := s.engine
	cfg.Log.Dir = "."
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.TCP.Address == "" {
		return errors.New("tcp.addr is empty: name HOST:PORT, or nothing can come in")
	}
	tcp := cfg.TCP
	tcp.Clock = cpu.NewClock(1e9) // it is calibrated later
	if err := errors.Join(tcp.Validate(1), s.admin.Validate()); err != nil {
		return err
	}
	if err := errors.Join(s.alerts.validate(), s.guard.validate(), s.cluster.validate(s.engine.Log.Mode)); err != nil {
		return err
	}
	if _, err := s.threads(); err != nil {
		return together{err}
	}
	if s.file.Path == "" && s.file.Topic != "" {
		return together{errors.New("file.topic is set and file.path is empty: name the file (--file)")}
	}
	return nil
}

// alerts say of what somebody is told, and how.
type alerts struct {
	topics  []string
	log     bool
	webhook string
}

func (a *alerts) validate() error {
	for _, pattern := range a.topics {
		if err := process.NewAlert(pattern, nil, nil).Handler().Validate(); err != nil {
			return err
		}
	}
	if a.webhook != "" {
		u, err := url.Parse(a.webhook)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("webhook is no URL: write it as https://host/path") // it may hold a secret
		}
		if len(a.topics) == 0 {
			return together{errors.New("alerts.webhook is set and alerts.topics is empty: name the topics")}
		}
	}
	return nil
}

// make makes the alerts, which log to log.
func (a *alerts) make(log *slog.Logger) (made []*process.Alert) {
	for _, pattern := range a.topics {
		if a.log {
			made = append(made, process.NewAlert(pattern, process.LogLine(log), log))
		}
		if a.webhook != "" {
			made = append(made, process.NewAlert(pattern, process.Webhook(a.webhook), log))
		}
	}
	return made
}

// together is an errTogether with its own words.
type together struct{ error }

func (together) Is(target error) bool { return target == errTogether }

// readToken takes the admin port's token from its file.
func (s *settings) readToken() error {
	if s.tokenFile == "" {
		return nil
	}
	if s.admin.Token != "" {
		return errors.New("admin.token and admin.token_file are both set: keep one")
	}
	b, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return fmt.Errorf("admin.token_file: %w", err)
	}
	if s.admin.Token = strings.TrimSpace(string(b)); s.admin.Token == "" {
		return fmt.Errorf("admin.token_file: %s is empty: write a token into it, for example from: openssl rand -hex 32", s.tokenFile)
	}
	return nil
}

// readEnvironment sets the options that have a variable, as NAME=VALUE.
func readEnvironment(environment []string, options []option) (warnings []string, err error) {
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		i := slices.IndexFunc(options, func(o option) bool { return o.variable() == name })
		if i < 0 {
			warnings = append(warnings, name)
			continue
		}
		if err := set(options, i, value); err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", name, err)
		}
	}
	return warnings, nil
}

// print writes the settings as a file that readFile takes, with what each means.
func (s *settings) print(w io.Writer) error {
	var b strings.Builder
	b.WriteString(configHead)
	section := ""
	for _, o := range s.options() {
		indent, key := "", o.key
		if own, name, ok := strings.Cut(o.key, "."); ok {
			indent, key = "  ", name
			if own != section {
				section = own
				fmt.Fprintf(&b, "\n%s:\n", section)
			}
		} else {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s# %s\n", indent, o.about())
		line := fmt.Sprintf("%s: %s", key, scalar(o.value))
		if o.secret && o.value.String() != "" {
			line = "# " + key + ": (set, and not shown)"
		}
		fmt.Fprintf(&b, "%s%s\n", indent, line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const configHead = `# Configuration of esc serve. Each line below is an option; one that is left out has its default.
# The environment overrules the file: ESC_ and the key in capitals, as ESC_TCP_ADDR for addr in tcp.
# A flag, where an option has one, overrules both. Sizes: 65536 or 64KiB; times: 10ms, 5s, 1h.
# Relative paths begin where esc is started. esc serve --config FILE --print-config shows what holds.
`

// about is the option's comment.
func (o *option) about() string {
	if o.flag == "" {
		return o.usage
	}
	return o.usage + " [--" + o.flag + "]"
}

// scalar is the value as YAML.
func scalar(v pflag.Value) string {
	switch v.Type() {
	case "cpus":
		return "[" + strings.ReplaceAll(v.String(), ",", ", ") + "]"
	case "list":
		return flow(v.String())
	}
	if of := kinds[v.Type()]; of["!!str"] == "" || of["!!int"] != "" { // a word of these is no text to be quoted
		return v.String()
	}
	return marshalled(v.String())
}

// flow is a list in brackets.
func flow(list string) string {
	n := yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	items, _ := asList(list)
	for _, item := range items {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: item})
	}
	return marshalled(&n)
}

func marshalled(v any) string {
	b, err := yaml.Marshal(v)
	if err != nil { // no string is unfit
		panic(err)
	}
	return strings.TrimSuffix(string(b), "\n")
}
