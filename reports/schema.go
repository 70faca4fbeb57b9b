package reports

import (
	"fmt"
	"io"

	"github.com/google/jsonschema-go/jsonschema"

	"eventstreamcore/reports/record"
)

// Schema writes the JSON schema (draft 2020-12) of run.json. Properties may be
// added to a version, so that a reader must let unknown ones pass; a change of
// meaning is a new version.
func Schema(w io.Writer) error {
	s, err := jsonschema.For[record.Run](nil)
	if err != nil {
		return fmt.Errorf("schema of %s: %w", runFile, err)
	}
	open(s)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "A run of esc bench, version " + fmt.Sprint(record.Schema)
	s.Description = "Durations are in ns, rates by the second, sizes in bytes unless a name says otherwise."
	oldest, newest := 1.0, float64(record.Schema)
	s.Properties["schema"].Minimum, s.Properties["schema"].Maximum = &oldest, &newest
	return writeJSON(w, s)
}

// open lets objects have properties that are not listed.
func open(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Properties) > 0 {
		s.AdditionalProperties = nil
	}
	for _, p := range s.Properties {
		open(p)
	}
	open(s.Items)
	open(s.AdditionalProperties)
}
