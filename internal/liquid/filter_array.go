package liquid

import (
	"math"
	"math/rand/v2"
	"strings"
)

// list returns v as an array: null and undefined are an empty one, and any other value is its only item.
func list(v any) []any {
	v = toValue(v)
	if items, ok := v.([]any); ok {
		return items
	}
	if isNil(v) {
		return nil
	}
	return []any{v}
}

// copied returns a copy of v as an array, with room for one item more.
func (r *run) copied(v any) []any {
	items := list(v)
	if !r.items(len(items) + 1) {
		return nil
	}
	return append(make([]any, 0, len(items)+1), items...)
}

func push(r *run, v any, args []any) any { return append(r.copied(v), arg(args, 0)) }

func unshift(r *run, v any, args []any) any {
	items := list(v)
	if !r.items(len(items) + 1) {
		return undefined
	}
	return append(append(make([]any, 0, len(items)+1), arg(args, 0)), items...)
}

// Pop and shift share the items that stay: nothing writes into an array.

func pop(_ *run, v any, _ []any) any {
	items := list(v)
	return items[:max(len(items)-1, 0):max(len(items)-1, 0)]
}

func shift(_ *run, v any, _ []any) any {
	items := list(v)
	return items[min(1, len(items)):]
}

// compact drops the items that are null or undefined.
func compact(r *run, v any, _ []any) any {
	items := list(v)
	if !r.items(len(items)) {
		return undefined
	}
	out := make([]any, 0, len(items))
	for _, item := range items {
		if item = of(item); !isNil(toValue(item)) {
			out = append(out, item)
		}
	}
	return out
}

// join returns the items as text with the argument, or a space, between them.
func join(r *run, v any, args []any) any {
	sep := " "
	if a := toValue(arg(args, 0)); !isNil(a) {
		sep = r.text(a)
	}
	return r.listText(list(v), sep, false)
}

// first returns the first item of an array, the first unit of text, or the member 0 of an object with a length; else "".
func first(r *run, v any, _ []any) any {
	v = toValue(v)
	if _, ok := r.arrayLength(v); !ok {
		return ""
	}
	return r.own(v, "0")
}

// last is like first with the last.
func last(r *run, v any, _ []any) any {
	v = toValue(v)
	n, ok := r.arrayLength(v)
	if !ok {
		return ""
	}
	return r.own(v, r.propertyKey(n-1))
}

// arrayLength returns the length of what has one: an array, text that is not empty, an object that says so.
func (r *run) arrayLength(v any) (float64, bool) {
	if v == "" || isNil(v) {
		return 0, false
	}
	n := r.own(v, "length")
	return r.number(n), isNumber(n)
}

// size returns the length of text or an array, what an object has for its length, or 0.
func size(r *run, v any, _ []any) any {
	if n := r.own(v, "length"); truthy(n) {
		return n
	}
	return 0.0
}

// sum adds up the items, or their members that the argument names. What is not a number adds nothing.
func sum(r *run, v any, args []any) any {
	var names []string
	if a := arg(args, 0); truthy(a) {
		text := r.text(a)
		if !r.items(strings.Count(text, ".") + 1) {
			return undefined
		}
		names = strings.Split(text, ".")
	}
	total := 0.0
	for _, item := range list(v) {
		if !r.step(1 + len(names)) {
			return undefined
		}
		item = of(item)
		for _, name := range names {
			item = r.member(item, name)
		}
		if n := r.number(item); !math.IsNaN(n) {
			total += n
		}
	}
	return total
}

// slice returns the items, or units, from an index, as many as the second argument says (1). The index and the length are
// added as JavaScript adds them: "1" and 2 are 12.
func slice(r *run, v any, args []any) any {
	v = toValue(v)
	if isNil(v) {
		return []any(nil)
	}
	items, isArray := v.([]any)
	text, n := "", len(items)
	if !isArray {
		text = r.text(v)
		if !r.read(len(text)) {
			return undefined
		}
		n = units(text)
	}
	begin, length := arg(args, 0), argOr(args, 1, 1.0)
	if r.number(begin) < 0 {
		begin = r.add(float64(n), begin)
	}
	from, to := 0, 0
	if !(r.number(begin) < 0) && !(r.number(length) < 0) {
		if !r.want(r.number(length)) {
			return undefined
		}
		from, to = r.index(begin, n), r.index(r.add(begin, length), n)
		to = max(from, to)
	}
	if isArray {
		return items[from:to:to]
	}
	return r.substring(text, from, to)
}

// where returns the items that have a member, named by the first argument as a path is written in a template. With a second
// argument the member has to be equal to it, else it has to be true.
func where(r *run, v any, args []any) any {
	items := list(v)
	name := r.text(arg(args, 0))
	if !r.items(len(items)) || !r.items(len(name)) {
		return undefined
	}
	src := toUnits(name)
	s := &scanner{src: src, n: len(src)}
	s.skipBlank()
	keys, err := s.keys(true)
	if err != nil {
		r.fail("filter where takes a path")
		return undefined
	}
	out := make([]any, 0, len(items))
	wanted := arg(args, 1)
	for _, item := range items {
		if !r.step(1 + len(src)) { // the path may be as long as it likes
			return undefined
		}
		item = of(item)
		found := undefined
		if len(keys) > 0 {
			found = r.within(item, &path{keys: keys})
		}
		if wanted == undefined && !isFalse(found) || wanted != undefined && r.equal(found, wanted, 0) {
			out = append(out, item)
		}
	}
	return out
}

// within reads a path from item as if it were the record.
func (r *run) within(item any, p *path) any {
	root, assigned, counters := r.root, r.assigned, r.counters
	r.root, r.assigned, r.counters = item, nil, nil
	v := p.eval(r)
	r.root, r.assigned, r.counters = root, assigned, counters
	return v
}

// sample returns one item or unit at random, or as many as the argument says.
func sample(r *run, v any, args []any) any {
	v = toValue(v)
	if isNil(v) {
		return []any(nil)
	}
	items, ok := v.([]any)
	if !ok {
		text := r.text(v)
		if !r.items(len(text)) {
			return undefined
		}
		for i := 0; i < len(text); { // by character here, not by unit
			_, size := decode(text[i:])
			items = append(items, text[i:i+size])
			i += size
		}
	}
	if !r.items(len(items)) {
		return undefined
	}
	shuffled := make([]any, len(items))
	for i, from := range rand.Perm(len(items)) {
		shuffled[i] = of(items[from])
	}
	count := argOr(args, 0, 1.0)
	if isNumber(count) && r.number(count) == 1 {
		if len(shuffled) == 0 {
			return undefined
		}
		return shuffled[0]
	}
	return shuffled[:r.index(count, len(shuffled))]
}
