package mapping

import (
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
	"github.com/segmentprofiles/segmentprofiles-go/internal/liquid"
)

// liquidText is @liquid.
type liquidText struct {
	place
	template *liquid.Template
}

func (b *builder) liquid(v any, s scope, here place) node {
	text, ok := v.(string)
	if !ok {
		return b.broken(here, "should hold a string but it holds "+article(kindOf(v)))
	}
	if text == "" {
		return constant{""}
	}
	t, err := liquid.Parse(text, liquid.Limits{Length: MaxLiquid})
	if err != nil {
		return b.broken(here, "holds a template that cannot be used: "+err.Error())
	}
	for _, p := range t.Paths() {
		b.reads(parsePath(p), s)
	}
	return &liquidText{here, t}
}

// freeRenders is how many templates a record may render before the clock is looked at.
const freeRenders = 4

func (n *liquidText) resolve(r *run, payload any) (any, error) {
	if jsvalue.IsUndefined(payload) {
		payload = map[string]any{}
	}
	var started time.Time
	if r.renders++; r.renders > freeRenders {
		if r.rendering > MaxLiquidTime {
			return nil, n.fail("takes its templates more than 2 s for one record")
		}
		started = time.Now()
	}
	text, _, err := n.template.Render(payload)
	if err != nil {
		return nil, n.fail("cannot be rendered: " + err.Error())
	}
	if !started.IsZero() {
		r.rendering += time.Since(started)
	}
	return text, r.wrote(len(text), n.place)
}
