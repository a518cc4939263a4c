package mapping

import "github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"

// transform is @transform: a mapping of what another mapping made of the payload.
type transform struct {
	place
	apply, mapping node
}

func (b *builder) transform(o map[string]any, s scope, here place) node {
	apply, ok := o["apply"].(map[string]any)
	if !ok {
		return b.broken(here, "should have an object as its member apply")
	}
	if !jsvalue.Truthy(o["mapping"]) {
		return b.broken(here, "should have the member mapping")
	}
	at := s.below("apply", keepNone)
	whole, _, reason := unwrapWhole(apply)
	if reason != "" {
		return b.broken(here, "has a "+wholeDirective+" in its member apply that "+reason)
	}
	// Where the directive stands in a part that was not checked, apply is checked only now.
	c := checker{origin: b.origin}
	if c.mapping(whole, at.at); len(c.problems) > 0 {
		return b.broken(here, "has a mapping in its member apply that cannot be used: "+c.problems[0].String())
	}
	b.transforms = true
	return &transform{here, b.build(whole, at), b.build(o["mapping"], s.below("mapping", s.keep).elsewhere())}
}

func (n *transform) resolve(r *run, payload any) (any, error) {
	if jsvalue.IsUndefined(payload) {
		payload = map[string]any{}
	}
	if _, ok := payload.(map[string]any); !ok {
		return nil, n.fail("needs an object to work on but has " + article(kindOf(payload)))
	}
	applied, err := n.apply.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	return n.mapping.resolve(r, applied)
}
