package mapping

import (
	"strconv"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// A node is a piece of a compiled mapping. resolve returns one of jsvalue's types, jsvalue.Undefined among them, for a payload
// that is one of them too: the record, an item of @arrayPath, or what @transform applied.
type node interface {
	resolve(r *run, payload any) (any, error)
}

// keep says what becomes of an object's undefined members. They go, but to a directive that lists members (@merge, @flatten)
// one that is undefined still hides an earlier one of its name.
type keep int

const (
	keepNone keep = iota
	keepOwn       // the object's own stay, those of objects within go
	keepAll
)

// within is what holds for the members of an object, or the items of an array, of which k holds.
func (k keep) within() keep {
	if k == keepAll {
		return keepAll
	}
	return keepNone
}

// scope is where in its mapping a value stands.
type scope struct {
	at   string
	keep keep
	// record says that paths start at the record, and not at something that was made of it.
	record bool
}

// below returns the scope of a member, of which k holds.
func (s scope) below(name string, k keep) scope {
	s.at = below(s.at, name)
	s.keep = k
	return s
}

// elsewhere returns s with paths that start elsewhere than at the record.
func (s scope) elsewhere() scope {
	s.record = false
	return s
}

// builder makes nodes of a mapping. It does not fail: in the places that are not checked beforehand a mapping may hold
// anything, and a directive that is wrong there is an error only once it is resolved.
type builder struct {
	paths      map[string]struct{}
	transforms bool
	warnings   []Problem
	nodes      int
	origin     origin
}

// build makes the node of any value of a mapping.
func (b *builder) build(v any, s scope) node {
	b.nodes++
	switch x := v.(type) {
	case map[string]any:
		if name, ok := directiveOf(x); ok {
			return b.directive(name, x[name], s.below(name, s.keep))
		}
		return b.object(x, s)
	case []any:
		return b.array(x, s)
	}
	return constant{v}
}

// directive makes the node of a directive whose value is v.
func (b *builder) directive(name string, v any, s scope) node {
	here := place{b.origin.pointer(s.at), name}
	switch name {
	case "@path":
		return b.path(v, s, here)
	case "@template":
		return b.template(v, s, here)
	case "@literal":
		return b.build(v, s)
	case "@excludeWhenNull":
		return &withoutNull{place: here, value: b.build(v, s), keep: s.keep}
	case "@arrayPath":
		return b.arrayPath(v, s, here)
	case "@liquid":
		return b.liquid(v, s, here)
	}
	options, ok := v.(map[string]any)
	if !ok {
		return b.broken(here, "should hold an object but it holds "+article(kindOf(v)))
	}
	switch name {
	case "@if":
		return b.condition(options, s, here)
	case "@case":
		return b.letterCase(options, s, here)
	case "@replace":
		return b.replace(options, s, here)
	case "@flatten":
		return b.flatten(options, s, here)
	case "@json":
		return b.json(options, s, here)
	case "@merge":
		return b.merge(options, s, here)
	case "@transform":
		return b.transform(options, s, here)
	}
	return b.broken(here, "is an unknown directive")
}

// reads notes a path that the mapping reads from the record.
func (b *builder) reads(p path, s scope) {
	if s.record {
		b.paths[p.String()] = struct{}{}
	}
}

// constant is a value that no record changes.
type constant struct{ value any }

func (n constant) resolve(*run, any) (any, error) { return n.value, nil }

// undefined is what an option that is missing resolves to.
var undefined = constant{jsvalue.Undefined}

// broken is a directive that cannot be resolved. It stands where a mapping is not checked beforehand, or where Segment
// complains only of the record that comes to it.
type broken struct {
	place
	reason string
}

// broken makes the node of a directive that cannot be resolved, and notes it as a warning.
func (b *builder) broken(here place, reason string) node {
	b.warnings = append(b.warnings, Problem{here.path, reason})
	return broken{here, reason}
}

func (n broken) resolve(*run, any) (any, error) { return nil, n.fail(n.reason) }

// object is an object whose members are resolved one by one.
type object struct {
	members []member
	keep    keep
}

type member struct {
	name  string
	value node
}

func (b *builder) object(m map[string]any, s scope) node {
	n := &object{members: make([]member, 0, len(m)), keep: s.keep}
	fixed := make(map[string]any, len(m))
	for _, name := range sortedNames(m) {
		value := b.build(m[name], s.below(name, s.keep.within()))
		if c, ok := value.(constant); ok && !jsvalue.IsUndefined(c.value) {
			fixed[name] = c.value
		}
		n.members = append(n.members, member{name, value})
	}
	if len(fixed) == len(m) {
		return constant{fixed}
	}
	return n
}

func (n *object) resolve(r *run, payload any) (any, error) {
	out := r.objects.take(len(n.members))
	for i := range n.members {
		m := &n.members[i]
		v, err := m.value.resolve(r, payload)
		if err != nil {
			return nil, err
		}
		if n.keep == keepNone && jsvalue.IsUndefined(v) {
			continue
		}
		out[m.name] = v
	}
	return out, nil
}

// array is an array whose items are resolved one by one. An item that is undefined keeps its place.
type array struct{ items []node }

func (b *builder) array(items []any, s scope) node {
	n := &array{make([]node, len(items))}
	fixed := make([]any, 0, len(items))
	for i, item := range items {
		n.items[i] = b.build(item, s.below(strconv.Itoa(i), s.keep.within()))
		if c, ok := n.items[i].(constant); ok && !jsvalue.IsUndefined(c.value) {
			fixed = append(fixed, c.value)
		}
	}
	if len(fixed) == len(items) {
		return constant{fixed}
	}
	return n
}

func (n *array) resolve(r *run, payload any) (any, error) {
	out := make([]any, len(n.items))
	for i, item := range n.items {
		v, err := item.resolve(r, payload)
		if err != nil {
			return nil, err
		}
		if jsvalue.IsUndefined(v) {
			r.unfinished = true
		}
		out[i] = v
	}
	return out, nil
}
