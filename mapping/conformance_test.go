package mapping

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// TestConformanceMapping holds the package against what Segment's own implementation answered.
func TestConformanceMapping(t *testing.T) {
	conformance.Run(t, conformance.Files(t, "mapping"), func(_ *testing.T, line json.RawMessage) error {
		var c struct {
			Mapping map[string]any
			Input   map[string]any
			Output  json.RawMessage
			Error   json.RawMessage
		}
		if err := conformance.Decode(line, &c); err != nil {
			return err
		}
		got, err := answer(c.Mapping, c.Input)
		switch {
		case c.Error != nil && err != nil:
			return nil
		case c.Error != nil:
			return fmt.Errorf("%v, want an error", got)
		case err != nil:
			return err
		case c.Output == nil: // undefined
			if !jsvalue.IsUndefined(got) {
				return fmt.Errorf("%v, want nothing", got)
			}
			return nil
		}
		var want any
		if err := conformance.Decode(c.Output, &want); err != nil {
			return err
		}
		if !conformance.Equal(got, want) {
			return fmt.Errorf("mapping %v of %v:\n got %v\nwant %v", c.Mapping, c.Input, got, want)
		}
		return nil
	})
}

// answer resolves a record. A directive for the whole mapping may make of it what is no object, of which Resolve says only that.
func answer(settings, record map[string]any) (any, error) {
	m, err := Compile(settings)
	if err != nil {
		return nil, err
	}
	out, err := m.Resolve(record)
	if any, anyErr := m.resolve(nil, record); anyErr == nil && err != nil {
		return any, nil
	}
	if err == nil && out == nil {
		return jsvalue.Undefined, nil
	}
	return out, err
}
