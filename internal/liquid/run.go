package liquid

// run is one render of a template.
type run struct {
	budget
	root     any
	assigned map[string]any     // by assign and capture
	counters map[string]float64 // of increment and decrement
	cycles   map[string]int     // whose turn it is
	args     []any              // of the filter calls under way
	out      []byte
	stopped  bool // by break or continue
	at       int  // where the node stands that failed
	placed   bool // whether at is set
}

// block renders nodes in order.
func (r *run) block(nodes block) {
	for _, n := range nodes {
		if r.step(1) {
			n.node.render(r)
		}
		if r.failed() {
			if !r.placed {
				r.at, r.placed = n.at, true
			}
			return
		}
		if r.stopped {
			return
		}
	}
}

// print writes v as a template prints it.
func (r *run) print(v any) {
	switch x := v.(type) {
	case string:
		r.write(x)
	default:
		r.write(r.text(x))
	}
}

// write adds text to what is rendered.
func (r *run) write(text string) {
	r.out = r.appendTo(r.out, text)
}
