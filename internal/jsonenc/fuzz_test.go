package jsonenc_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
)

// decode reads one JSON value with its numbers' digits.
func decode(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// oracle returns v as encoding/json writes it, without HTML escaping.
func oracle(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// escaped writes the two line separators as encoding/json does, which escapes them even so.
var escaped = strings.NewReplacer("\u2028", `\u2028`, "\u2029", `\u2029`)

// nesting returns how deep the containers of v lie within each other.
func nesting(v any) int {
	deepest := 0
	switch x := v.(type) {
	case map[string]any:
		for _, item := range x {
			deepest = max(deepest, nesting(item))
		}
	case []any:
		for _, item := range x {
			deepest = max(deepest, nesting(item))
		}
	default:
		return 0
	}
	return deepest + 1
}

// textNesting returns how deep the containers of valid JSON lie within each other.
func textNesting(t *testing.T, text []byte) int {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	depth, deepest := 0, 0
	for {
		token, err := d.Token()
		switch {
		case err == io.EOF:
			return deepest
		case err != nil:
			t.Fatal(err)
		case token == json.Delim('['), token == json.Delim('{'):
			depth++
			deepest = max(deepest, depth)
		case token == json.Delim(']'), token == json.Delim('}'):
			depth--
		}
	}
}

// What was decoded from JSON is written as encoding/json writes it.
func FuzzAppend(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,2.50,-0,1e-7,12345678901234567890],"b":{"":null,"\u2028":true},"c":"<é\ud800😀\u0000\\\"/>"}`,
		`[[],{},[{}],"",false,null,{"a":{},"b":[]}]`,
		`"\b\f\n\r\t\u001f\u007f"`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64),
		strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		v := decode(t, text)
		got, err := jsonenc.Append(nil, v, jsonenc.Options{Sorted: true})
		if n := nesting(v); (err != nil) != (n > jsonenc.MaxDepth) {
			t.Fatalf("%d levels: %v", n, err)
		}
		if err != nil {
			return
		}
		want := oracle(t, v)
		if escaped.Replace(string(got)) != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
		unsorted, err := jsonenc.Append([]byte("x"), v, jsonenc.Options{})
		if err != nil || len(unsorted) != len(got)+1 || oracle(t, decode(t, unsorted[1:])) != want {
			t.Errorf("unsorted: %s, %v", unsorted, err)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00\x1f\x7f\"\\/<>&", "é😀\u2028", "\xff\xc3(\xed\xa0\x80\xf0\x9f\x98"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := jsonenc.AppendString([]byte("x"), s)[1:]
		if !json.Valid(got) {
			t.Fatalf("not JSON: %q", got)
		}
		if want := decode(t, []byte(oracle(t, s))); decode(t, got) != want {
			t.Errorf("got %s, want what reads %q", got, want)
		}
	})
}

// A json.RawMessage is written if it is JSON, as json.Compact has it, in UTF-8.
func FuzzAppendRaw(f *testing.F) {
	for _, text := range []string{` { "a" : [ 1 , "b c\\" , "\"" ] } `, "\"\xff\"", `{"a":1,"a":2}`, `01`, ``, `[1] 2`, strings.Repeat("[", 65)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := jsonenc.Append(nil, []any{json.RawMessage(text)}, jsonenc.Options{})
		if !json.Valid(text) {
			if err == nil {
				t.Fatalf("%q is written as %q", text, got)
			}
			return
		}
		if n := 1 + textNesting(t, text); (err != nil) != (n > jsonenc.MaxDepth) {
			t.Fatalf("%d levels: %v", n, err)
		}
		if err != nil {
			return
		}
		var want bytes.Buffer
		want.WriteByte('[')
		if err := json.Compact(&want, []byte(string([]rune(string(text))))); err != nil {
			t.Fatal(err)
		}
		want.WriteByte(']')
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("\ngot  %q\nwant %q", got, want.Bytes())
		}
	})
}

func FuzzAppendNumber(f *testing.F) {
	for _, s := range []string{"", "0", "-0", "1.5e+10", "01", "1.", ".5", "+1", "-", "1e", "0x1", "NaN", " 1", "1 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		isNumber := s == "" || json.Valid([]byte(s)) && strings.Trim(s, "0123456789+-.eE") == ""
		got, err := jsonenc.Append(nil, json.Number(s), jsonenc.Options{})
		if isNumber != (err == nil) {
			t.Fatalf("%q: %v", s, err)
		}
		if s != "" && isNumber && string(got) != s {
			t.Errorf("%q is written as %s", s, got)
		}
	})
}

func FuzzAppendFloat(f *testing.F) {
	for _, x := range []float64{0, math.Copysign(0, -1), 1e21, 1e-7, 0.1, 5e-324, math.MaxFloat64, math.NaN(), math.Inf(1), 16777216, 1e20, 1e-6} {
		f.Add(math.Float64bits(x))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		for _, v := range []any{math.Float64frombits(bits), math.Float32frombits(uint32(bits))} {
			got, err := jsonenc.Append(nil, v, jsonenc.Options{})
			want, wantErr := json.Marshal(v)
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("%v: %v, want %v", v, err, wantErr)
			}
			// encoding/json leaves the zero its sign, and differs in nothing else.
			if err == nil && string(got) != string(want) && string(want) != "-0" {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}
