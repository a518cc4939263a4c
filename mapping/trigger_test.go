package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
)

// Segment's own parser and matcher gave these answers.
func TestTriggerConformance(t *testing.T) {
	conformance.Run(t, conformance.Files(t, "trigger"), func(_ *testing.T, line json.RawMessage) error {
		var c struct {
			Trigger string
			Event   map[string]any
			Match   bool
			Invalid bool
		}
		if err := conformance.Decode(line, &c); err != nil {
			return err
		}
		trigger, err := mapping.CompileTrigger(c.Trigger)
		var wrong *mapping.TriggerError
		switch {
		case err != nil && !errors.As(err, &wrong):
			return fmt.Errorf("%s: not a TriggerError: %w", c.Trigger, err)
		case c.Invalid != (err != nil):
			return fmt.Errorf("%q: error %v, want one: %v", c.Trigger, err, c.Invalid)
		case err != nil:
			return nil
		}
		if got := trigger.Match(c.Event); got != c.Match {
			return fmt.Errorf("%q of %v: %v, want %v", c.Trigger, c.Event, got, c.Match)
		}
		return nil
	})
}
