package liquid

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	_ "time/tzdata" // the date filter names time zones

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
)

// TestConformance renders the templates whose results were measured: liquid.jsonl on Segment's own engine, and
// liquid-telling.jsonl on LiquidJS 10.27.2 configured as that engine does it, with cases chosen for what they tell. All of these
// pass; of cases from elsewhere 99 % have to, for TestKnownDifferences has some that do not.
func TestConformance(t *testing.T) {
	share := 1.0
	if os.Getenv("SEGMENT_VECTORS") != "" {
		share = 0.99
	}
	conformance.RunAtLeast(t, conformance.Files(t, "liquid"), share, func(_ *testing.T, line json.RawMessage) error {
		var c struct {
			Template string
			Input    any
			Output   *string
			Error    string
		}
		if err := conformance.Decode(line, &c); err != nil {
			return err
		}
		out, defined, err := render(c.Template, c.Input)
		switch {
		case c.Error != "" && err == nil:
			return fmt.Errorf("%s: %q, not the error %q", c.Template, out, c.Error)
		case c.Error != "":
			return nil
		case err != nil:
			return fmt.Errorf("%s: %v, not %v", c.Template, err, text(c.Output))
		case defined != (c.Output != nil) || defined && out != *c.Output:
			return fmt.Errorf("%s: %q, not %v", c.Template, out, text(c.Output))
		}
		return nil
	})
}

func text(s *string) string {
	if s == nil {
		return "undefined"
	}
	return fmt.Sprintf("%q", *s)
}

func render(src string, root any) (string, bool, error) {
	t, err := Parse(src, Limits{})
	if err != nil {
		return "", false, err
	}
	return t.Render(root)
}
