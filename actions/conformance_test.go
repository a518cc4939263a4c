package actions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
)

// TestConformanceActions holds the way from a saved mapping and an event to a message against Segment's own.
func TestConformanceActions(t *testing.T) {
	conformance.Run(t, conformance.Files(t, "actions"), func(t *testing.T, line json.RawMessage) error {
		var c struct {
			Action  actions.Kind   `json:"action"`
			Mapping map[string]any `json:"mapping"`
			Event   map[string]any `json:"event"`
			Output  map[string]any `json:"output"`
			Error   *string        `json:"error"`
		}
		if err := conformance.Decode(line, &c); err != nil {
			return err
		}
		message, err := process(c.Action, c.Mapping, c.Event)
		switch {
		case c.Error != nil && err == nil:
			return fmt.Errorf("got %s\nwant the error %q", message.JSON, *c.Error)
		case c.Error != nil:
			return nil
		case err != nil:
			return fmt.Errorf("%w\ncase %s", err, line)
		}
		var got map[string]any
		if err := conformance.Decode(message.JSON, &got); err != nil {
			return err
		}
		if _, ok := c.Output["messageId"]; !ok {
			delete(got, "messageId")
		}
		if sameInstant(got["timestamp"], c.Output["timestamp"]) {
			got["timestamp"] = c.Output["timestamp"]
		}
		if !conformance.Equal(got, c.Output) {
			return fmt.Errorf("got %s\ncase %s", message.JSON, line)
		}
		return nil
	})
}

// process does what the record way of the library does with one mapping and one event.
func process(kind actions.Kind, settings, event map[string]any) (actions.Message, error) {
	compiled, err := mapping.Compile(settings)
	if err != nil {
		return actions.Message{}, err
	}
	fields, err := compiled.Resolve(event)
	if err != nil {
		return actions.Message{}, err
	}
	_, spaceErr := actions.SpaceFromFields(fields)
	action, err := actions.FromFields(kind, fields)
	if err := errors.Join(spaceErr, err); err != nil {
		return actions.Message{}, err
	}
	return action.Build()
}

func sameInstant(a, b any) bool {
	x, okX := instant(a)
	y, okY := instant(b)
	return okX && okY && x.Equal(y)
}

func instant(v any) (time.Time, bool) {
	text, _ := v.(string)
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
