package mapping

import (
	"maps"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// withoutNull is @excludeWhenNull.
type withoutNull struct {
	place
	value node
	keep  keep
}

func (n *withoutNull) resolve(r *run, payload any) (any, error) {
	v, err := n.value.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case nil:
		return jsvalue.Undefined, nil
	case map[string]any:
		clean, _, err := n.clean(r, x, n.keep, 1)
		return clean, err
	}
	return v, nil
}

// clean returns m without members that are null, at any depth of objects, and whether that is another map than m.
func (n *withoutNull) clean(r *run, m map[string]any, k keep, depth int) (out map[string]any, changed bool, err error) {
	if depth > MaxDepth {
		return nil, false, n.fail(tooDeep)
	}
	if err := r.step(len(m), n.place); err != nil {
		return nil, false, err
	}
	out = m
	set := func(name string, v any) {
		if !changed {
			out, changed = maps.Clone(m), true
		}
		if k == keepNone && jsvalue.IsUndefined(v) {
			delete(out, name)
			return
		}
		out[name] = v
	}
	for name, member := range m {
		switch x := valueOf(member).(type) {
		case nil:
			set(name, jsvalue.Undefined)
		case map[string]any:
			inner, other, err := n.clean(r, x, k.within(), depth+1)
			if err != nil {
				return nil, false, err
			}
			if other {
				set(name, inner)
			}
		}
	}
	return out, changed, nil
}
