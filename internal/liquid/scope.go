package liquid

import "strconv"

// lookup returns what a path's first member names: what the template has assigned, else a counter or a member of the record.
func (r *run) lookup(key any) any {
	if isDrop(key) {
		return undefined
	}
	name := r.propertyKey(key)
	if !r.read(len(name)) {
		return undefined
	}
	if v, ok := r.assigned[name]; ok {
		return v
	}
	if n, ok := r.counters[name]; ok {
		return n
	}
	if v := r.own(r.root, name); v != undefined {
		return v
	}
	if key == "size" {
		return 0.0 // the size of LiquidJS's globals, of which there are none
	}
	return undefined
}

// member returns the member of v that key names. Of null and undefined, it is what v is.
func (r *run) member(v, key any) any {
	if isNil(v) {
		return v
	}
	key = toValue(key)
	if d, ok := v.(drop); ok {
		return d.member(r, r.propertyKey(key))
	}
	if list, ok := v.([]any); ok && isNumber(key) {
		return r.element(list, key)
	}
	name := r.propertyKey(key)
	if !r.read(len(name)) {
		return undefined
	}
	if m := r.own(v, name); m != undefined {
		return m
	}
	list, isList := v.([]any)
	switch key {
	case "size":
		return r.size(v)
	case "first":
		if isList && len(list) > 0 {
			return of(list[0])
		}
	case "last":
		if isList && len(list) > 0 {
			return of(list[len(list)-1])
		}
	}
	return undefined
}

// own returns the member of v itself that has a name: an object's, an array's item or length, a string's unit or length.
func (r *run) own(v any, name string) any {
	switch x := v.(type) {
	case map[string]any:
		if m, ok := x[name]; ok {
			return of(m)
		}
	case []any:
		if name == "length" {
			return float64(len(x))
		}
		if i := arrayIndex(name); i >= 0 && i < len(x) {
			return of(x[i])
		}
	case string:
		if name == "length" {
			return r.length(x)
		}
		if i := arrayIndex(name); i >= 0 && r.read(len(x)) && i < units(x) {
			return r.substring(x, i, i+1)
		}
	}
	return undefined
}

// length returns the length of text as a value.
func (r *run) length(text string) any {
	if !r.read(len(text)) {
		return undefined
	}
	return float64(units(text))
}

// element returns the item of list at an index that is a number; below zero it counts from the end.
func (r *run) element(list []any, index any) any {
	f := r.number(index)
	if f < 0 {
		f += float64(len(list))
	}
	if i := int(f); f >= 0 && f < float64(len(list)) && float64(i) == f {
		return of(list[i])
	}
	return undefined
}

// size returns how many units, items or members v has. A scalar has no size.
func (r *run) size(v any) any {
	switch x := v.(type) {
	case string:
		return r.length(x)
	case []any:
		return float64(len(x))
	case map[string]any:
		return float64(len(x))
	}
	return undefined
}

// count adds n to the counter of a name and returns what it was. A counter starts from the record's member of that name if
// that is a number, and covers that member for the rest of the render.
func (r *run) count(name string, n float64) float64 {
	before, ok := r.counters[name]
	if !ok {
		if v := r.own(r.root, name); isNumber(v) {
			before = r.number(v)
		}
	}
	if r.counters == nil {
		r.counters = make(map[string]float64)
	}
	r.counters[name] = before + n
	return before
}

// assign gives a name a value for the rest of the render.
func (r *run) assign(name string, v any) {
	if r.assigned == nil {
		r.assigned = make(map[string]any)
	}
	r.assigned[name] = v
}

// nextOf returns the index in a cycle of n candidates whose turn it is.
func (r *run) nextOf(group string, n int) int {
	if r.cycles == nil {
		r.cycles = make(map[string]int)
	}
	key := group + ":" + strconv.Itoa(n)
	i := r.cycles[key]
	r.cycles[key] = (i + 1) % n
	return i
}
