package mapping

import (
	"strconv"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// flatten is @flatten: the leaves of a value, each under the names that lead to it.
type flatten struct {
	place
	value, separator node
	omitArrays       bool
	keep             keep
}

func (b *builder) flatten(o map[string]any, s scope, here place) node {
	if !jsvalue.Truthy(o["separator"]) {
		return b.broken(here, "should have the member separator, and not an empty one")
	}
	n := &flatten{
		place:      here,
		value:      undefined,
		separator:  b.build(o["separator"], s.below("separator", keepNone)),
		omitArrays: jsvalue.Truthy(o["omitArrays"]),
		keep:       s.keep,
	}
	if value, ok := o["value"]; ok {
		n.value = b.build(value, s.below("value", keepAll))
	}
	return n
}

func (n *flatten) resolve(r *run, payload any) (any, error) {
	separator, err := n.string(r, n.separator, payload)
	if err != nil {
		return nil, err
	}
	v, err := n.value.resolve(r, payload)
	if err != nil {
		return nil, err
	}
	f := flattening{flatten: n, run: r, separator: separator, out: map[string]any{}}
	if err := f.add(v, "", 0); err != nil {
		return nil, err
	}
	if n.keep == keepNone && f.undefined {
		for name, v := range f.out {
			if jsvalue.IsUndefined(v) {
				delete(f.out, name)
			}
		}
	}
	return f.out, nil
}

type flattening struct {
	*flatten
	run       *run
	separator string
	out       map[string]any
	undefined bool
}

// add sets the leaves of v. Where two have the same name the later one stays.
func (f *flattening) add(v any, prefix string, depth int) error {
	if depth > MaxDepth {
		return f.fail(tooDeep)
	}
	switch x := v.(type) {
	case map[string]any:
		for _, name := range sortedNames(x) {
			if err := f.member(name, x[name], prefix, depth); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if f.omitArrays {
			f.run.unfinished = true // there may be undefined members in its objects
			break
		}
		for i, item := range x {
			if err := f.member(strconv.Itoa(i), item, prefix, depth); err != nil {
				return err
			}
		}
		return nil
	}
	if jsvalue.IsUndefined(v) {
		f.undefined = true
	}
	f.out[prefix] = v
	return nil
}

// member sets the leaves of a member of something whose own name is prefix. As in Segment, nothing comes between an empty
// name and the one behind it.
func (f *flattening) member(name string, v any, prefix string, depth int) error {
	if prefix != "" {
		name = prefix + f.separator + name
	}
	if err := f.run.step(1, f.place); err != nil {
		return err
	}
	if err := f.run.wrote(len(name), f.place); err != nil {
		return err
	}
	return f.add(valueOf(v), name, depth+1)
}
