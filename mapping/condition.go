package mapping

import "github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"

// condition is @if. Its blank is named from the other end: then is taken where the value is not blank.
type condition struct {
	place
	test      node
	blank     bool
	then, alt node
}

func (b *builder) condition(o map[string]any, s scope, here place) node {
	if !jsvalue.Truthy(o["exists"]) && !jsvalue.Truthy(o["blank"]) {
		return b.broken(here, `should have the member exists or blank`)
	}
	n := condition{place: here, then: undefined, alt: undefined}
	if exists, ok := o["exists"]; ok {
		n.test = b.build(exists, s.below("exists", keepNone))
	} else {
		n.test, n.blank = b.build(o["blank"], s.below("blank", keepNone)), true
	}
	if then, ok := o["then"]; ok {
		n.then = b.build(then, s.below("then", s.keep))
	}
	if alt := o["else"]; jsvalue.Truthy(alt) {
		n.alt = b.build(alt, s.below("else", s.keep))
	}
	return &n
}

func (n *condition) resolve(r *run, payload any) (any, error) {
	v, err := n.test.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	there := !jsvalue.IsNullish(v)
	if there && n.blank {
		empty, err := r.looselyEmpty(v, n.place)
		if err != nil {
			return nil, err
		}
		there = !empty
	}
	if there {
		return n.then.resolve(r, payload)
	}
	return n.alt.resolve(r, payload)
}

// looselyEmpty tells whether v == "" holds in JavaScript. Of an array that is its text, which is walked with care here.
func (r *run) looselyEmpty(v any, at place) (bool, error) {
	items, ok := v.([]any)
	switch {
	case !ok:
		return jsvalue.LooselyEmpty(v), nil
	case len(items) == 0:
		return true, nil
	case len(items) > 1: // there is a comma in it
		return false, nil
	}
	text, err := r.appendText(r.scratch[:0], v, at, 0)
	r.scratch = text[:0]
	return len(text) == 0, err
}
