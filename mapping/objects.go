package mapping

// Objects are objects that results are made of again and again: see Mapping.ResolveWith. The zero value has none yet. Objects are not safe
// for concurrent use.
type Objects struct {
	all  []map[string]any
	used int
}

// maxObjects is how many objects are kept for the next record. A mapping rarely makes more, but for the items of @arrayPath.
const maxObjects = 64

// Reset takes all objects back: results that were made of them must not be used any more.
func (o *Objects) Reset() { o.used = 0 }

// take returns an empty object for so many members.
func (o *Objects) take(members int) map[string]any {
	if o == nil {
		return make(map[string]any, members)
	}
	if o.used < len(o.all) {
		out := o.all[o.used]
		o.used++
		clear(out)
		return out
	}
	out := make(map[string]any, members)
	if o.used < maxObjects {
		o.all = append(o.all, out)
		o.used++
	}
	return out
}
