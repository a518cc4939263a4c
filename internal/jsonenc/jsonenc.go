// Package jsonenc appends values to byte buffers as JSON.
//
// It writes what encoding/json would, with JavaScript's eye for numbers (1e-7, not 1e-07; 0 for -0), without HTML escaping, and
// leaves jsvalue.Undefined out of objects. Values decoded from JSON or read from rows are written without reflection and
// without allocation; types it does not know go through encoding/json.
package jsonenc

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// MaxDepth is how many arrays, objects and pointers may lie within each other. A value that holds itself ends here as well.
const MaxDepth = 64

// Options say how Append writes. The zero value is the fastest.
type Options struct {
	// Sorted writes the members of objects in the order of their names' bytes. Without it their order is any.
	Sorted bool
	// Max, where it is above 0, is about how many bytes are wanted at most: once more are written, Append gives up with an Error
	// that is TooLarge. A small value may hold the same large one many times over.
	Max int
}

// Append appends v to dst as compact JSON and returns the longer slice.
//
// Integers and json.Number keep their digits; times are RFC 3339 text with the offset and the fraction they have; []byte is
// base64; nil maps, slices and pointers are null; invalid UTF-8 becomes U+FFFD. jsvalue.Undefined is left out of
// objects and is null anywhere else. The error is an *Error: a number that is not finite, a year outside 0 to 9999, text that is
// not JSON in a json.RawMessage or a json.Number, more than MaxDepth levels, a type without a JSON form, or a Marshaler
// that fails or panics. With an error, dst comes back with the length and the contents it had.
//
// Append keeps nothing of v and may be called from any number of goroutines, as long as v is not written to meanwhile.
func Append(dst []byte, v any, o Options) ([]byte, error) {
	e := encoder{sorted: o.Sorted}
	if o.Max > 0 {
		e.limit = len(dst) + o.Max
	}
	out, err := e.value(dst, v, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// Error tells why a value has no JSON form.
type Error struct {
	// Path is the JSON pointer (RFC 6901) of the value that is at fault; it is empty for the whole value.
	Path string
	// Reason completes the sentence "the value ...". It never holds the value itself.
	Reason string
	// TooLarge tells that the value was given up because of Options.Max.
	TooLarge bool
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "the value " + e.Reason
	}
	return e.Path + " " + e.Reason
}

const (
	notFinite = "is not a finite number"
	notNumber = "is a json.Number that is not a JSON number"
	notJSON   = "is raw JSON that is not valid"
	badTime   = "is a time outside the years 0 to 9999, or with an offset of a day or more"
	tooDeep   = "is nested deeper than 64 levels"
	tooLarge  = "is too large"
)

type encoder struct {
	sorted bool
	limit  int // length of dst at which to give up; 0 is none
}

// full returns the error of a value that has become too large.
func (e *encoder) full(dst []byte) error {
	if e.limit > 0 && len(dst) > e.limit {
		return &Error{Reason: tooLarge, TooLarge: true}
	}
	return nil
}

// value appends v, which lies within depth containers.
func (e *encoder) value(dst []byte, v any, depth int) ([]byte, error) {
	switch x := v.(type) {
	case string:
		return AppendString(dst, x), nil
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, x), nil
	case float64:
		return appendFloat(dst, x)
	case int:
		return strconv.AppendInt(dst, int64(x), 10), nil
	case int64:
		return strconv.AppendInt(dst, x, 10), nil
	case json.Number:
		return appendNumber(dst, x)
	case map[string]any:
		return e.object(dst, x, depth)
	case []any:
		return e.array(dst, x, depth)
	case time.Time:
		return appendTime(dst, x)
	case map[string]string:
		return e.stringObject(dst, x, depth)
	case []string:
		return e.stringArray(dst, x, depth)
	case []byte:
		return appendBytes(dst, x), nil
	case json.RawMessage:
		return appendRawMessage(dst, x, depth)
	case uint64:
		return strconv.AppendUint(dst, x, 10), nil
	case uint:
		return strconv.AppendUint(dst, uint64(x), 10), nil
	case int32:
		return strconv.AppendInt(dst, int64(x), 10), nil
	case uint32:
		return strconv.AppendUint(dst, uint64(x), 10), nil
	case int16:
		return strconv.AppendInt(dst, int64(x), 10), nil
	case uint16:
		return strconv.AppendUint(dst, uint64(x), 10), nil
	case int8:
		return strconv.AppendInt(dst, int64(x), 10), nil
	case uint8:
		return strconv.AppendUint(dst, uint64(x), 10), nil
	case float32:
		return appendFloat32(dst, x)
	}
	if jsvalue.IsUndefined(v) {
		return append(dst, "null"...), nil
	}
	return e.other(dst, v, depth)
}

func (e *encoder) object(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if m == nil {
		return append(dst, "null"...), nil
	}
	if depth == MaxDepth {
		return dst, &Error{Reason: tooDeep}
	}
	dst = append(dst, '{')
	if !e.sorted {
		var err error
		for name, v := range m {
			if dst, err = e.member(dst, name, v, depth); err != nil {
				return dst, err
			}
		}
		return closeWith(dst, '}'), nil
	}
	var room [24]namedValue // most objects fit, and then sorting costs no allocation
	members := room[:0]
	for name, v := range m {
		members = append(members, namedValue{name, v})
	}
	sortByName(members)
	var err error
	for i := range members {
		if dst, err = e.member(dst, members[i].name, members[i].value, depth); err != nil {
			return dst, err
		}
	}
	return closeWith(dst, '}'), nil
}

// A namedValue is a member of an object on its way to being sorted: looking each value up again would cost more than carrying it.
type namedValue struct {
	name  string
	value any
}

func sortByName(members []namedValue) {
	if len(members) > 12 {
		slices.SortFunc(members, func(a, b namedValue) int { return strings.Compare(a.name, b.name) })
		return
	}
	for i := 1; i < len(members); i++ {
		for j := i; j > 0 && members[j].name < members[j-1].name; j-- {
			members[j], members[j-1] = members[j-1], members[j]
		}
	}
}

// member appends a member of an object with a comma behind it, or nothing if v is undefined.
func (e *encoder) member(dst []byte, name string, v any, depth int) ([]byte, error) {
	if jsvalue.IsUndefined(v) {
		return dst, nil
	}
	dst = append(AppendString(dst, name), ':')
	dst, err := e.value(dst, v, depth+1)
	if err != nil {
		return dst, within(err, name)
	}
	return append(dst, ','), e.full(dst)
}

func (e *encoder) array(dst []byte, items []any, depth int) ([]byte, error) {
	if items == nil {
		return append(dst, "null"...), nil
	}
	if depth == MaxDepth {
		return dst, &Error{Reason: tooDeep}
	}
	dst = append(dst, '[')
	var err error
	for i, item := range items {
		if dst, err = e.value(dst, item, depth+1); err != nil {
			return dst, within(err, strconv.Itoa(i))
		}
		dst = append(dst, ',')
		if err = e.full(dst); err != nil {
			return dst, err
		}
	}
	return closeWith(dst, ']'), nil
}

func (e *encoder) stringObject(dst []byte, m map[string]string, depth int) ([]byte, error) {
	if m == nil {
		return append(dst, "null"...), nil
	}
	if depth == MaxDepth {
		return dst, &Error{Reason: tooDeep}
	}
	dst = append(dst, '{')
	if !e.sorted {
		for name, s := range m {
			dst = append(AppendString(dst, name), ':')
			dst = append(AppendString(dst, s), ',')
		}
		return closeWith(dst, '}'), nil
	}
	var room [24]string
	names := room[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		dst = append(AppendString(dst, name), ':')
		dst = append(AppendString(dst, m[name]), ',')
	}
	return closeWith(dst, '}'), nil
}

func (e *encoder) stringArray(dst []byte, items []string, depth int) ([]byte, error) {
	if items == nil {
		return append(dst, "null"...), nil
	}
	if depth == MaxDepth {
		return dst, &Error{Reason: tooDeep}
	}
	dst = append(dst, '[')
	for _, s := range items {
		dst = append(AppendString(dst, s), ',')
	}
	return closeWith(dst, ']'), nil
}

// closeWith ends an object or array, in place of the comma behind its last member.
func closeWith(dst []byte, end byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = end
		return dst
	}
	return append(dst, end)
}
