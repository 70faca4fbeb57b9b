package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kinds says which YAML scalars may stand for an option of each type. Numbers
// and truths are not taken from quoted text, nor text from bare numbers: who
// wrote those meant something else.
var kinds = map[string]map[string]string{
	"string":   {"!!str": "text"},
	"name":     {"!!str": "a name"},
	"address":  {"!!str": "HOST:PORT"},
	"duration": {"!!str": "a time, as 10ms or 5s"},
	"bool":     {"!!bool": "true or false"},
	"int":      {"!!int": "a whole number"},
	"float":    {"!!float": "a number", "!!int": "a number"},
	"size":     {"!!int": "bytes, or a size as 64MiB", "!!str": "bytes, or a size as 64MiB"},
	"cpus":     {"!!seq": "a list of CPU numbers, as [0, 1]"},
	"node":     {"!!str": "any, or the number of a node", "!!int": "any, or the number of a node"},
	"list":     {"!!seq": "a list, as [a, b]"},
}

// configBytes bounds a configuration file.
const configBytes = 1 << 20

// configFile is a file while it is read into options.
type configFile struct {
	name    string
	options []option
	seen    map[string]int // lines of keys
	errs    []error
}

// readFile sets the options that the file names. Its errors, all of them at
// once, name file, line and key.
func (s *settings) readFile(name string, options []option) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, configBytes+1))
	if err != nil {
		return fmt.Errorf("config: reading %s: %w", name, err)
	}
	if len(b) > configBytes {
		return fmt.Errorf("config: %s is larger than %d bytes: that is no configuration", name, configBytes)
	}
	c := &configFile{name: name, options: options, seen: map[string]int{}}
	return c.read(string(b))
}

func (c *configFile) read(text string) error {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF): // nothing but comments
		return nil
	case err != nil:
		return fmt.Errorf("%s:%s", c.name, strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "line "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: has more than one document: keep what stands before the second ---", c.name)
	}
	c.section(document.Content[0], "")
	return errors.Join(c.errs...)
}

func (c *configFile) complain(n *yaml.Node, key, format string, args ...any) {
	if key != "" {
		format = key + ": " + format
	}
	c.errs = append(c.errs, fmt.Errorf("%s:%d: %s", c.name, n.Line, fmt.Sprintf(format, args...)))
}

// section takes a mapping, the keys of which begin with prefix.
func (c *configFile) section(n *yaml.Node, prefix string) {
	if n.Kind != yaml.MappingNode {
		c.complain(n, strings.TrimSuffix(prefix, "."), "%s, where keys and values belong", described(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		if line := c.seen[key]; line > 0 {
			c.complain(name, key, "stands on line %d already: strike one", line)
			continue
		}
		c.seen[key] = name.Line
		at := slices.IndexFunc(c.options, func(o option) bool { return o.key == key })
		switch {
		case at >= 0:
			c.option(value, at)
		case prefix == "" && c.isSection(name.Value):
			c.section(value, key+".")
		default:
			c.complain(name, key, "no such key%s", c.nearest(key))
		}
	}
}

func (c *configFile) isSection(name string) bool {
	return slices.ContainsFunc(c.options, func(o option) bool { return strings.HasPrefix(o.key, name+".") })
}

// option sets one.
func (c *configFile) option(n *yaml.Node, at int) {
	o := &c.options[at]
	allowed := kinds[o.value.Type()]
	want, ok := allowed[n.ShortTag()]
	if !ok || n.Kind == yaml.AliasNode {
		for _, want = range allowed {
			break
		}
		c.complain(n, o.key, "%s, where %s belongs", described(n), want)
		return
	}
	text := n.Value
	if n.Kind == yaml.SequenceNode {
		text = items(n)
	}
	if err := set(c.options, at, text); err != nil {
		c.complain(n, o.key, "%v", err)
	}
}

func items(n *yaml.Node) string {
	texts := make([]string, len(n.Content))
	for i, item := range n.Content {
		texts[i] = item.Value
	}
	return joined(texts)
}

// described says what stands there.
func described(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return fmt.Sprintf("%q (%s)", n.Value, strings.TrimPrefix(n.ShortTag(), "!!"))
}

// nearest suggests the key that was meant: the same name in another section, or
// one that begins alike.
func (c *configFile) nearest(key string) string {
	name := key[strings.LastIndexByte(key, '.')+1:]
	for _, o := range c.options {
		if own := o.key[strings.LastIndexByte(o.key, '.')+1:]; own == name || o.flag == name && name != "" {
			return fmt.Sprintf(": %s is meant?", o.key)
		}
	}
	for _, o := range c.options {
		if len(key) > 3 && strings.HasPrefix(o.key, key[:len(key)-2]) {
			return fmt.Sprintf(": %s is meant?", o.key)
		}
	}
	return ": esc serve --print-config lists them"
}
