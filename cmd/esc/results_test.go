package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
)

// TestResultsPage holds results/README.md against the schema: its version, and
// every field that it names.
func TestResultsPage(t *testing.T) {
	text, err := os.ReadFile("../../results/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := reports.Schema(&printed); err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(printed.Bytes(), &schema); err != nil {
		t.Fatal(err)
	}
	_, page, found := strings.Cut(string(text), "\n## run.json\n")
	if !found || !strings.Contains(page, fmt.Sprintf("\nSchema %d. ", record.Schema)) {
		t.Errorf("it does not describe schema %d", record.Schema)
	}
	fields := regexp.MustCompile("(?m)^\\| (`.+?`) \\|").FindAllStringSubmatch(page, -1)
	if len(fields) < 10 {
		t.Errorf("%d fields described", len(fields))
	}
	for _, cell := range fields {
		for _, field := range strings.Split(cell[1], ", ") {
			if at := strings.Trim(field, "`"); !describes(schema, strings.Split(at, ".")) {
				t.Errorf("the schema has no %s", at)
			}
		}
	}
	if describes(schema, []string{"rows", "invented"}) {
		t.Error("a field that is not there was found")
	}
}

// describes reports whether a JSON schema has the property at that path.
func describes(schema map[string]any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	if items, ok := schema["items"].(map[string]any); ok {
		schema = items
	}
	properties, _ := schema["properties"].(map[string]any)
	next, ok := properties[path[0]].(map[string]any)
	return ok && describes(next, path[1:])
}
