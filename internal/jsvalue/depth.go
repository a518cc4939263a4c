package jsvalue

import (
	"encoding"
	"encoding/json"
	"reflect"
)

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// Marshals tells whether values of type t have their own JSON form.
func Marshals(t reflect.Type) bool { return t.Implements(jsonMarshaler) || t.Implements(textMarshaler) }

// Deeper tells whether v has more than levels of containers and pointers within each other. encoding/json would follow a
// long enough list to the end of the stack, and that ends the process.
func Deeper(v reflect.Value, levels int) bool {
	if !v.IsValid() || Marshals(v.Type()) || Marshals(reflect.PointerTo(v.Type())) {
		return false
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return false
		}
	case reflect.Interface:
		return Deeper(v.Elem(), levels)
	case reflect.Struct, reflect.Array:
	default:
		return false
	}
	if levels == 0 {
		return true
	}
	levels--
	switch v.Kind() {
	case reflect.Pointer:
		return Deeper(v.Elem(), levels)
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if Deeper(it.Value(), levels) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); written(f) && Deeper(v.Field(i), levels) {
				return true
			}
		}
	default:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return false
		}
		for i := range v.Len() {
			if Deeper(v.Index(i), levels) {
				return true
			}
		}
	}
	return false
}

// written tells whether encoding/json writes a field.
func written(f reflect.StructField) bool {
	return f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous)
}
