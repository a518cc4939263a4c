package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/liquid"
)

// Row 77: all the templates of one record have a budget of time together, which each looks at before it begins.
func TestFault77TimeOfAllTemplates(t *testing.T) {
	template, err := liquid.Parse("{{ a }}", liquid.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	n := &liquidText{template: template}
	record := map[string]any{"a": "text"}
	if got, err := n.resolve(&run{renders: freeRenders, rendering: MaxLiquidTime}, record); err != nil || got != "text" {
		t.Errorf("within the budget: %v, %v", got, err)
	}
	var of *ResolveError
	if _, err := n.resolve(&run{renders: freeRenders, rendering: MaxLiquidTime + 1}, record); !errors.As(err, &of) || !strings.Contains(of.Reason, "2 s") {
		t.Errorf("beyond the budget: %v", err)
	}
	r := new(run)
	for range freeRenders + 3 {
		if _, err := n.resolve(r, record); err != nil {
			t.Fatal(err)
		}
	}
	if r.renders != freeRenders+3 || r.rendering <= 0 {
		t.Errorf("%d renders took %v", r.renders, r.rendering)
	}
}
