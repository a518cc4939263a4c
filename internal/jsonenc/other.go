package jsonenc

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

var objectType = reflect.TypeFor[map[string]any]()

// other appends a value of a type that value does not know: named and typed scalars, maps and slices as those that it
// knows, anything with a form of its own, and structs, by way of encoding/json.
func (e *encoder) other(dst []byte, v any, depth int) ([]byte, error) {
	r := reflect.ValueOf(v)
	t := r.Type()
	if t.Kind() == reflect.Pointer {
		return e.pointer(dst, r, depth)
	}
	if jsvalue.Marshals(t) {
		return marshal(dst, v, depth)
	}
	switch t.Kind() {
	case reflect.String:
		return AppendString(dst, r.String()), nil
	case reflect.Bool:
		return strconv.AppendBool(dst, r.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, r.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(dst, r.Uint(), 10), nil
	case reflect.Float64:
		return appendFloat(dst, r.Float())
	case reflect.Float32:
		return appendFloat32(dst, float32(r.Float()))
	case reflect.Map:
		if t.ConvertibleTo(objectType) { // a name for map[string]any
			return e.object(dst, r.Convert(objectType).Interface().(map[string]any), depth)
		}
		if t.Key().Kind() == reflect.String {
			return e.typedObject(dst, r, depth)
		}
	case reflect.Slice:
		if r.IsNil() {
			return append(dst, "null"...), nil
		}
		if t.Elem().Kind() == reflect.Uint8 && !jsvalue.Marshals(reflect.PointerTo(t.Elem())) {
			return appendBytes(dst, r.Bytes()), nil
		}
		return e.typedArray(dst, r, depth)
	case reflect.Array:
		return e.typedArray(dst, r, depth)
	}
	return marshal(dst, v, depth)
}

// pointer appends what r points to. Where only the pointer has the Marshaler's method, or encoding/json would look for such a
// method on the parts of what it points to, the pointer itself is handed on.
func (e *encoder) pointer(dst []byte, r reflect.Value, depth int) ([]byte, error) {
	if r.IsNil() {
		return append(dst, "null"...), nil
	}
	if depth == MaxDepth {
		return dst, &Error{Reason: tooDeep}
	}
	to := r.Type().Elem()
	switch {
	case jsvalue.Marshals(to):
		return e.value(dst, r.Elem().Interface(), depth+1)
	case jsvalue.Marshals(r.Type()), to.Kind() == reflect.Struct, to.Kind() == reflect.Array:
		return marshal(dst, r.Interface(), depth+1)
	}
	return e.value(dst, r.Elem().Interface(), depth+1)
}

func (e *encoder) typedObject(dst []byte, m reflect.Value, depth int) ([]byte, error) {
	if m.IsNil() {
		return append(dst, "null"...), nil
	}
	if depth == MaxDepth {
		return dst, &Error{Reason: tooDeep}
	}
	dst = append(dst, '{')
	var err error
	if !e.sorted {
		for it := m.MapRange(); it.Next(); {
			if dst, err = e.member(dst, it.Key().String(), it.Value().Interface(), depth); err != nil {
				return dst, err
			}
		}
		return closeWith(dst, '}'), nil
	}
	names := m.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, name := range names {
		if dst, err = e.member(dst, name.String(), m.MapIndex(name).Interface(), depth); err != nil {
			return dst, err
		}
	}
	return closeWith(dst, '}'), nil
}

func (e *encoder) typedArray(dst []byte, items reflect.Value, depth int) ([]byte, error) {
	if depth == MaxDepth {
		return dst, &Error{Reason: tooDeep}
	}
	dst = append(dst, '[')
	for i := range items.Len() {
		item := items.Index(i)
		if item.CanAddr() && !jsvalue.Marshals(item.Type()) && jsvalue.Marshals(item.Addr().Type()) {
			item = item.Addr()
		}
		var err error
		if dst, err = e.value(dst, item.Interface(), depth+1); err != nil {
			return dst, within(err, strconv.Itoa(i))
		}
		dst = append(dst, ',')
		if err = e.full(dst); err != nil {
			return dst, err
		}
	}
	return closeWith(dst, ']'), nil
}

// marshal appends v as encoding/json writes it.
func marshal(dst []byte, v any, depth int) (out []byte, err error) {
	defer func() {
		if recover() != nil {
			out, err = dst, &Error{Reason: "holds a Marshaler that panics"}
		}
	}()
	if jsvalue.Deeper(reflect.ValueOf(v), MaxDepth-depth) {
		return dst, &Error{Reason: tooDeep}
	}
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false)
	if err := to.Encode(v); err != nil {
		return dst, &Error{Reason: reason(err)}
	}
	return appendJSON(dst, text.Bytes(), depth)
}

// reason says what went wrong without repeating err, whose text may hold the value.
func reason(err error) string {
	var unsupported *json.UnsupportedTypeError
	var marshaler *json.MarshalerError
	switch {
	case errors.As(err, &unsupported):
		return "holds a " + unsupported.Type.String()
	case errors.As(err, &marshaler):
		return "holds a " + marshaler.Type.String() + " whose Marshaler fails"
	}
	return "holds a number that is not finite, or a json.Number that is not a JSON number"
}

// within puts a name or an index in front of the path of an error from below.
func within(err error, name string) error {
	var e *Error
	if errors.As(err, &e) {
		e.Path = "/" + pathEscapes.Replace(name) + e.Path
	}
	return err
}

// pathEscapes turns a name into a token of a JSON pointer.
var pathEscapes = strings.NewReplacer("~", "~0", "/", "~1")
