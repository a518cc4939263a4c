package mapping

import (
	"encoding/json"
	"math"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// run is what one Resolve keeps at hand.
type run struct {
	steps, text int // used so far
	renders     int // of Liquid templates
	rendering   time.Duration
	// unfinished says that the result may hold undefined values, half characters or infinite numbers, which finish has to see to.
	unfinished bool
	scratch    []byte
	objects    *Objects // for the result, nil where it is to be new
}

// maxScratch bounds the buffer that a run keeps for the next record.
const maxScratch = 64 << 10

func (r *run) reset() {
	scratch := r.scratch[:0]
	if cap(scratch) > maxScratch {
		scratch = nil
	}
	*r = run{scratch: scratch}
}

// step counts n values that are visited.
func (r *run) step(n int, at place) error {
	if r.steps += n; r.steps > MaxSteps {
		return at.fail(tooManySteps)
	}
	return nil
}

// wrote counts n bytes of text that are built.
func (r *run) wrote(n int, at place) error {
	if r.text += n; r.text > MaxText {
		return at.fail(tooMuchText)
	}
	return nil
}

// found notes half a character, and returns v.
func (r *run) found(v any) any {
	if s, ok := v.(string); ok && len(s) == 3 && isHalf(s) {
		r.unfinished = true
	}
	return v
}

// appendText appends v as JavaScript's String(v) has it.
func (r *run) appendText(dst []byte, v any, at place, depth int) ([]byte, error) {
	items, ok := v.([]any)
	if !ok {
		before := len(dst)
		dst = jsvalue.AppendString(dst, v)
		return dst, r.wrote(len(dst)-before, at)
	}
	if depth == MaxDepth {
		return dst, at.fail(tooDeep)
	}
	if err := r.step(len(items), at); err != nil {
		return dst, err
	}
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if item = valueOf(item); jsvalue.IsNullish(item) {
			continue
		}
		var err error
		if dst, err = r.appendText(dst, item, at, depth+1); err != nil {
			return dst, err
		}
	}
	return dst, r.wrote(len(items), at)
}

// finish returns v with undefined members left out, undefined items null, no half characters, and null for numbers past a
// double's range, which JSON has no text for. It writes to nothing: where there is something to change it makes the object or
// array anew.
func (r *run) finish(v any, at place, depth int) (any, error) {
	switch x := v.(type) {
	case string:
		return wholeText(x), r.wrote(len(x), at)
	case json.Number:
		if f, _ := jsvalue.Float(x); math.IsInf(f, 0) {
			return nil, nil
		}
	case map[string]any:
		if depth == MaxDepth {
			return nil, at.fail(tooDeep)
		}
		if err := r.step(len(x), at); err != nil {
			return nil, err
		}
		out := make(map[string]any, len(x))
		for name, member := range x {
			if jsvalue.IsUndefined(member) {
				continue
			}
			finished, err := r.finish(member, at, depth+1)
			if err != nil {
				return nil, err
			}
			out[wholeText(name)] = finished
		}
		return out, nil
	case []any:
		if depth == MaxDepth {
			return nil, at.fail(tooDeep)
		}
		if err := r.step(len(x), at); err != nil {
			return nil, err
		}
		out := make([]any, len(x))
		for i, item := range x {
			finished, err := r.finish(item, at, depth+1)
			if err != nil {
				return nil, err
			}
			if !jsvalue.IsUndefined(finished) {
				out[i] = finished
			}
		}
		return out, nil
	}
	return v, nil
}
