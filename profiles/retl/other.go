package retl

import (
	"bytes"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
)

// maxNesting is how deep values may lie within each other, and how often one may stand for another.
const maxNesting = 64

// other is for values that database/sql does not expect of a driver, and that some return all the same.
func (k kind) other(v any, levels int) (any, error) {
	if levels == 0 {
		return nil, errors.New("has values nested too deep")
	}
	switch v := v.(type) {
	case json.Number:
		return k.text(string(v)), nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			item, err := kindUnknown.nested(v[i], levels-1)
			if err != nil {
				return nil, err
			}
			out[i] = item
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			member, err := kindUnknown.nested(v[name], levels-1)
			if err != nil {
				return nil, err
			}
			out[name] = member
		}
		return out, nil
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil, nil // before its methods are called
	}
	switch v := v.(type) {
	case *big.Int:
		return json.Number(v.String()), nil
	case *big.Rat:
		return json.Number(ratText(v)), nil
	case *big.Float:
		if v.IsInf() {
			return nil, nil
		}
		return json.Number(v.Text('f', -1)), nil
	case driver.Valuer:
		plain, err := v.Value()
		if err != nil {
			return nil, fmt.Errorf("holds a %T whose Value method fails", v)
		}
		return k.nested(plain, levels-1)
	case json.Marshaler:
		text, err := v.MarshalJSON()
		if err == nil {
			var decoded any
			if decoded, err = decodeJSON(text); err == nil {
				return decoded, nil
			}
		}
		return nil, fmt.Errorf("holds a %T whose MarshalJSON method fails", v)
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("holds a %T whose MarshalText method fails", v)
		}
		return k.text(string(text)), nil
	case fmt.Stringer:
		return k.text(v.String()), nil
	}
	return k.reflected(rv, levels)
}

// reflected is for named types of the plain kinds, and what points to a value.
func (k kind) reflected(v reflect.Value, levels int) (any, error) {
	switch v.Kind() {
	case reflect.Pointer:
		return k.nested(v.Elem().Interface(), levels-1)
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.String:
		return k.text(v.String()), nil
	case reflect.Float32, reflect.Float64:
		return k.float(v.Float()), nil
	case reflect.Array:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			break
		}
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		if k == kindUnknown && len(b) == 16 {
			k = kindUUID
		}
		return k.bytes(b), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return k.nested(v.Bytes(), levels-1)
		}
	default:
		if v.CanInt() {
			return k.nested(v.Int(), levels-1)
		}
		if v.CanUint() {
			return k.nested(v.Uint(), levels-1)
		}
	}
	return nil, fmt.Errorf("holds a %s, which is not a type that records have", v.Type())
}

// ratText is a fraction as a decimal: all its digits, or 38 after the point where they do not end.
func ratText(r *big.Rat) string {
	digits, exact := r.FloatPrec()
	if !exact {
		digits = 38
	}
	return r.FloatString(digits)
}

// What is wrong with a text that is to be JSON.
var (
	errJSONEnds    = errors.New("is not JSON: it ends in the middle of a value")
	errJSONFollows = errors.New("has something after its JSON value")
	errNotJSON     = errors.New("is not JSON")
)

// decodeJSON reads one value, numbers with all their digits. The error shows nothing of the text.
func decodeJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("is not JSON: syntax error at byte %d", syntax.Offset)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errJSONEnds
		}
		return nil, errNotJSON
	}
	if len(bytes.Trim(text[d.InputOffset():], blank)) > 0 {
		return nil, errJSONFollows
	}
	return v, nil
}

// blank is what JSON takes for white space.
const blank = " \t\r\n"
