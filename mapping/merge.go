package mapping

import (
	"slices"
	"strconv"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// merge is @merge: its items spread over one object, each in front of those before it.
type merge struct {
	place
	items     []node
	direction node
	keep      keep
}

func (b *builder) merge(o map[string]any, s scope, here place) node {
	if !jsvalue.Truthy(o["direction"]) {
		return b.broken(here, "should have the member direction")
	}
	items, ok := o["objects"].([]any)
	if !ok {
		return b.broken(here, "should have an array as its member objects")
	}
	n := &merge{
		place:     here,
		items:     make([]node, len(items)),
		direction: b.build(o["direction"], s.below("direction", keepNone)),
		keep:      s.keep,
	}
	at := s.below("objects", max(s.keep, keepOwn))
	for i, item := range items {
		n.items[i] = b.build(item, at.below(strconv.Itoa(i), at.keep))
	}
	return n
}

func (n *merge) resolve(r *run, payload any) (any, error) {
	direction, err := n.direction.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	var room [8]any
	values := room[:0]
	size := 0
	for _, item := range n.items {
		v, err := item.resolve(r, payload)
		if err != nil {
			return nil, err
		}
		if m, ok := v.(map[string]any); ok {
			size = max(size, len(m))
		}
		values = append(values, v)
	}
	if direction == "left" {
		slices.Reverse(values)
	}
	out := make(map[string]any, size)
	for _, v := range values {
		if err := n.spread(r, out, v); err != nil {
			return nil, err
		}
	}
	if n.keep == keepNone {
		for name, v := range out {
			if jsvalue.IsUndefined(v) {
				delete(out, name)
			}
		}
	}
	return out, nil
}

// spread sets what JavaScript's Object.assign copies of v: members, items by their index, the units of a string.
func (n *merge) spread(r *run, out map[string]any, v any) error {
	switch x := v.(type) {
	case map[string]any:
		for name, member := range x {
			out[name] = member
		}
		return r.step(len(x), n.place)
	case []any:
		if err := r.step(len(x), n.place); err != nil {
			return err
		}
		for i, item := range x {
			out[strconv.Itoa(i)] = item
		}
	case string:
		if err := r.step(len(x), n.place); err != nil {
			return err
		}
		eachUnit(x, func(i int, unit string) { out[strconv.Itoa(i)] = r.found(unit) })
	}
	return nil
}
