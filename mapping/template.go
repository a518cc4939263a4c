package mapping

import (
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// Segment fills a template in twice: first {{{a}}} throughout, then {{a}} in what came of that, so that a value put in by the first may
// hold placeholders for the second. A template without triple braces, which is nearly every one, is parsed once.

// template is @template with its text written out and no triple braces.
type template struct {
	place
	segments []segment
}

// twoPass is @template with triple braces in its text.
type twoPass struct {
	place
	segments []segment
}

// foundTemplate is @template with a directive that finds the text.
type foundTemplate struct {
	place
	text node
}

// segment is literal text, or a placeholder if hole is set.
type segment struct {
	text string
	path path
	hole bool
}

func (b *builder) template(v any, s scope, here place) node {
	text, ok := v.(string)
	if !ok {
		s.keep = keepNone
		return foundTemplate{here, b.build(v, s)}
	}
	if triple := parseTemplate(text, 3); hasHole(triple) {
		for _, g := range triple {
			b.readsHoles(parseTemplate(g.text, 2), s)
		}
		b.readsHoles(triple, s)
		return &twoPass{here, triple}
	}
	if double := parseTemplate(text, 2); hasHole(double) {
		b.readsHoles(double, s)
		return &template{here, double}
	}
	return constant{text}
}

// readsHoles notes the paths of placeholders.
func (b *builder) readsHoles(segments []segment, s scope) {
	for _, g := range segments {
		if g.hole {
			b.reads(g.path, s)
		}
	}
}

func hasHole(segments []segment) bool {
	for _, g := range segments {
		if g.hole {
			return true
		}
	}
	return false
}

// parseTemplate cuts text at its placeholders, which stand in a number of braces.
func parseTemplate(text string, braces int) []segment {
	open, shut := "{{{"[:braces], "}}}"[:braces]
	var segments []segment
	from := 0 // of the text that no segment holds yet
	for at := 0; ; {
		i := strings.Index(text[at:], open)
		if i < 0 {
			break
		}
		start := at + i
		end := strings.IndexByte(text[start:], '}')
		if end < 0 {
			break
		}
		end += start
		inner := text[min(start+braces, end):end]
		if inner == "" || !strings.HasPrefix(text[end:], shut) {
			at = end + 1 // nothing that opens before this brace can close at another
			continue
		}
		if start > from {
			segments = append(segments, segment{text: text[from:start]})
		}
		segments = append(segments, segment{path: parsePath(strings.TrimFunc(inner, jsvalue.IsSpace)), hole: true})
		at = end + braces
		from = at
	}
	if from < len(text) {
		segments = append(segments, segment{text: text[from:]})
	}
	return segments
}

func (n *template) resolve(r *run, payload any) (any, error) {
	if len(n.segments) == 1 {
		if v := n.segments[0].path.get(payload); isText(v) {
			return r.found(v), nil
		}
	}
	text, err := r.fill(n.segments, payload, n.place)
	if err != nil {
		return nil, err
	}
	return text, nil
}

func isText(v any) bool { _, ok := v.(string); return ok }

func (n *twoPass) resolve(r *run, payload any) (any, error) {
	text, err := r.fill(n.segments, payload, n.place)
	if err != nil {
		return nil, err
	}
	return r.fillText(text, 2, payload, n.place)
}

func (n foundTemplate) resolve(r *run, payload any) (any, error) {
	text, err := n.string(r, n.text, payload)
	if err != nil {
		return nil, err
	}
	if text, err = r.fillText(text, 3, payload, n.place); err == nil {
		text, err = r.fillText(text, 2, payload, n.place)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

// fillText fills in a template whose text is known only now.
func (r *run) fillText(text string, braces int, payload any, at place) (string, error) {
	segments := parseTemplate(text, braces)
	if !hasHole(segments) {
		return text, nil
	}
	if err := r.step(len(segments), at); err != nil {
		return "", err
	}
	return r.fill(segments, payload, at)
}

// fill returns the text that segments make with a payload. What is missing or null is empty.
func (r *run) fill(segments []segment, payload any, at place) (string, error) {
	if jsvalue.IsUndefined(payload) {
		payload = map[string]any{}
	}
	dst := r.scratch[:0]
	for i := range segments {
		g := &segments[i]
		if !g.hole {
			dst = append(dst, g.text...)
			if err := r.wrote(len(g.text), at); err != nil {
				return "", err
			}
			continue
		}
		v := r.found(g.path.get(payload))
		if jsvalue.IsNullish(v) {
			continue
		}
		var err error
		if dst, err = r.appendText(dst, v, at, 0); err != nil {
			return "", err
		}
	}
	r.scratch = dst
	return joinHalves(string(dst)), nil
}
