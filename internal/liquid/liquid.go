// Package liquid renders the Liquid templates of mappings as Segment does: LiquidJS 10 with the tags and filters that
// Segment's mapping engine leaves on, its limits, and UTC as the time zone.
//
// What a template can do to the process is bounded: Limits count characters, steps, bytes and time, and a render that
// exceeds one ends with an error. Nothing here reads a file but date's third argument, which looks up a time zone.
//
// Differences to LiquidJS that are meant: integers keep their digits past 2^53, members of objects are sorted where their
// order shows (integer names first, as in JavaScript), increment and decrement do not write into the record, errors have
// texts of their own, and memory is counted in the bytes that are used here. The table in differences_test.go has the rest.
package liquid

import "strconv"

// Template is a parsed template. It may be rendered any number of times, from any number of goroutines.
type Template struct {
	src    []uint16
	body   block
	paths  []string
	limits Limits
}

// Parse parses src. The error is an *Error: src is longer than lim.Length, it is no template, or it uses a tag that is
// disabled (case, for, include, layout, render, tablerow). A filter that is disabled is an error when it is used, not before.
func Parse(src string, lim Limits) (*Template, error) {
	lim = lim.orDefaults()
	if units(src) > lim.Length {
		return nil, &Error{Line: 1, Col: 1, Reason: "a template is longer than " + strconv.Itoa(lim.Length) + " characters"}
	}
	t := &Template{src: toUnits(clean(src)), limits: lim}
	toks, err := tokens(t.src)
	if err != nil {
		return nil, err
	}
	if t.body, err = (&parser{src: t.src, toks: toks}).all(); err != nil {
		return nil, err
	}
	t.paths = pathsOf(t.body)
	return t, nil
}

// Render renders the template over root: usually a map[string]any, but any value that jsvalue.Of takes will do. It does not write
// into root, and keeps nothing of it. The result is UTF-8. The error is an *Error: a filter that is disabled or fails, or
// one of the limits.
//
// Every template has a result, if only an empty one: defined is true unless err is set.
func (t *Template) Render(root any) (out string, defined bool, err error) {
	r := &run{budget: budget{limits: t.limits, nextLook: stepsPerLook}, root: of(root)}
	r.block(t.body)
	if r.failed() || !r.use(len(r.out)) {
		return "", false, errorAt(t.src, r.at, r.failure)
	}
	return whole(string(r.out)), true, nil
}

// Paths returns the paths of the record that the template reads, sorted, each once: "traits.email", "properties.items[0]",
// "context['a b']". A path ends where its next member is not known before the render; what a filter reads of an array's items,
// and names that the template itself assigns, are not among them.
func (t *Template) Paths() []string { return append([]string(nil), t.paths...) }
