package mapping

import "github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"

// arrayPath is @arrayPath with a shape for each item. Without one it is a path, or the directive in its place.
type arrayPath struct {
	place
	items node
	shape node
	cost  int // of the shape, in nodes
}

func (b *builder) arrayPath(v any, s scope, here place) node {
	a, ok := v.([]any)
	if !ok {
		return b.broken(here, "should hold an array but it holds "+article(kindOf(v)))
	}
	if len(a) == 0 {
		return undefined
	}
	var shape map[string]any
	if len(a) > 1 {
		shape, _ = a[1].(map[string]any)
	}
	if len(shape) > 0 {
		n := &arrayPath{place: here, items: b.arrayRoot(a[0], s.below("0", keepNone))}
		before := b.nodes
		n.shape = b.build(shape, s.below("1", s.keep.within()).elsewhere())
		n.cost = b.nodes - before
		return n
	}
	return b.arrayRoot(a[0], s.below("0", s.keep))
}

// arrayRoot makes the node of the items: a path, or a directive that finds the items themselves.
func (b *builder) arrayRoot(v any, s scope) node {
	if text, ok := v.(string); ok {
		p := pathOf(text)
		b.reads(p, s)
		return fixedPath{p}
	}
	return b.build(v, s)
}

func (n *arrayPath) resolve(r *run, payload any) (any, error) {
	v, err := n.items.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if _, lone := v.(map[string]any); lone {
		items, ok = []any{v}, true
	}
	if !ok {
		return v, nil
	}
	if err := r.step(len(items)*n.cost, n.place); err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, item := range items {
		if out[i], err = n.shape.resolve(r, valueOf(item)); err != nil {
			return nil, err
		}
		if jsvalue.IsUndefined(out[i]) {
			r.unfinished = true
		}
	}
	return out, nil
}
