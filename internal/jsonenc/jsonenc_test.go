package jsonenc_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

type (
	plan     string
	count    int32
	names    []string
	level    uint8
	levels   []level
	member   struct{ Name string }
	list     struct{ Next *list }
	loop     map[string]loop
	labelled map[plan]count
	traits   map[string]any
)

// quoted has its JSON form on the pointer alone.
type quoted struct{ n int }

func (q *quoted) MarshalJSON() ([]byte, error) { return []byte(` [ "q" ] `), nil }

// answer returns what it holds as its JSON, whatever that is.
type answer string

func (a answer) MarshalJSON() ([]byte, error) { return []byte(a), nil }

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errors.New("secret@example.com") }

type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("secret@example.com") }

type sibling struct {
	Parent *sibling `json:"-"`
	Raw    []byte
}

func nested(levels int) any {
	var v any = "x"
	for range levels {
		v = map[string]any{"a": v}
	}
	return v
}

func pointerTo[T any](v T) *T { return &v }

func TestAppend(t *testing.T) {
	zone := time.FixedZone("", -7*3600)
	cyclicParent := &sibling{Raw: []byte{1}}
	cyclicParent.Parent = cyclicParent
	for name, c := range map[string]struct {
		value any
		want  string
	}{
		"null":                          {nil, `null`},
		"undefined on its own":          {jsvalue.Undefined, `null`},
		"undefined member":              {map[string]any{"a": jsvalue.Undefined, "b": 1}, `{"b":1}`},
		"only undefined members":        {map[string]any{"a": jsvalue.Undefined}, `{}`},
		"undefined item":                {[]any{jsvalue.Undefined, 1}, `[null,1]`},
		"true":                          {true, `true`},
		"int8":                          {int8(-128), `-128`},
		"int16":                         {int16(-32768), `-32768`},
		"int32":                         {int32(-2147483648), `-2147483648`},
		"int64":                         {int64(math.MinInt64), `-9223372036854775808`},
		"int":                           {-1, `-1`},
		"uint8":                         {uint8(255), `255`},
		"uint16":                        {uint16(65535), `65535`},
		"uint32":                        {uint32(4294967295), `4294967295`},
		"uint64 keeps its digits":       {uint64(math.MaxUint64), `18446744073709551615`},
		"uint":                          {uint(7), `7`},
		"uintptr":                       {uintptr(7), `7`},
		"float":                         {0.1, `0.1`},
		"minus zero":                    {math.Copysign(0, -1), `0`},
		"float at the edge of digits":   {1e20, `100000000000000000000`},
		"float beyond the edge":         {1e21, `1e+21`},
		"small float":                   {1e-7, `1e-7`},
		"smallest float":                {5e-324, `5e-324`},
		"largest float":                 {math.MaxFloat64, `1.7976931348623157e+308`},
		"float32 prints short":          {float32(0.1), `0.1`},
		"largest float32":               {float32(math.MaxFloat32), `3.4028235e+38`},
		"minus zero of float32":         {float32(math.Copysign(0, -1)), `0`},
		"number keeps its digits":       {json.Number("12345678901234567890.10"), `12345678901234567890.10`},
		"number with exponent":          {json.Number("-0.5E+10"), `-0.5E+10`},
		"zero number":                   {json.Number(""), `0`},
		"plain string":                  {"a", `"a"`},
		"no HTML escaping":              {"<a href=\"x\">&\u2028", "\"<a href=\\\"x\\\">&\u2028\""},
		"control characters":            {"\x00\b\t\n\f\r\x1f\x7f\\", `"\u0000\b\t\n\f\r\u001f` + "\x7f" + `\\"`},
		"invalid UTF-8":                 {"a\xff\xc3(\xed\xa0\x80", "\"a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD\""},
		"U+FFFD itself":                 {"\uFFFD", "\"\uFFFD\""},
		"emoji":                         {"😀", `"😀"`},
		"invalid UTF-8 in a name":       {map[string]any{"\xff": 1}, "{\"\uFFFD\":1}"},
		"raw is compacted":              {json.RawMessage(" { \"a b\" : [ 1 , \"\\\" ]\" ] } "), `{"a b":[1,"\" ]"]}`},
		"raw with invalid UTF-8":        {json.RawMessage("\"\xff\xfe\""), "\"\uFFFD\uFFFD\""},
		"nil raw":                       {json.RawMessage(nil), `null`},
		"array":                         {[]any{1, "a", nil, []any{}}, `[1,"a",null,[]]`},
		"nil array":                     {[]any(nil), `null`},
		"nil object":                    {map[string]any(nil), `null`},
		"nil strings":                   {[]string(nil), `null`},
		"nil string map":                {map[string]string(nil), `null`},
		"nil bytes":                     {[]byte(nil), `null`},
		"nil typed map":                 {labelled(nil), `null`},
		"nil typed slice":               {names(nil), `null`},
		"nil pointer":                   {(*int)(nil), `null`},
		"nil pointer with a Marshaler":  {(*quoted)(nil), `null`},
		"empty containers":              {[]any{map[string]any{}, []string{}, map[string]string{}, labelled{}}, `[{},[],{},{}]`},
		"strings":                       {[]string{"a", ","}, `["a",","]`},
		"string map":                    {map[string]string{"b": "2", "a": "1"}, `{"a":"1","b":"2"}`},
		"bytes":                         {[]byte("\x00\xff"), `"AP8="`},
		"named bytes":                   {levels{1, 2}, `"AQI="`},
		"array of bytes":                {[2]byte{1, 2}, `[1,2]`},
		"time":                          {time.Date(2024, 1, 2, 3, 4, 5, 600, time.UTC), `"2024-01-02T03:04:05.0000006Z"`},
		"time with offset":              {time.Date(2024, 1, 2, 3, 4, 5, 0, zone), `"2024-01-02T03:04:05-07:00"`},
		"year 9999":                     {time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), `"9999-12-31T00:00:00Z"`},
		"pointer to time":               {pointerTo(time.Unix(0, 0).UTC()), `"1970-01-01T00:00:00Z"`},
		"pointer to pointer":            {pointerTo(pointerTo("a")), `"a"`},
		"pointer to map":                {&map[string]any{"a": jsvalue.Undefined}, `{}`},
		"named string":                  {plan("pro"), `"pro"`},
		"named integer":                 {count(3), `3`},
		"typed map":                     {labelled{"b": 2, "a": 1}, `{"a":1,"b":2}`},
		"named object":                  {traits{"b": traits{}, "a": jsvalue.Undefined, "c": traits(nil)}, `{"b":{},"c":null}`},
		"map of slices":                 {map[string][]int{"a": {1, 2}}, `{"a":[1,2]}`},
		"map with integer keys":         {map[int]string{2: "b", 1: "a"}, `{"1":"a","2":"b"}`},
		"objects in a typed slice":      {[]map[string]any{{"a": 1}, nil}, `[{"a":1},null]`},
		"times in a typed slice":        {[]time.Time{time.Unix(0, 0).UTC()}, `["1970-01-01T00:00:00Z"]`},
		"struct":                        {member{"<b>"}, `{"Name":"<b>"}`},
		"pointer to struct":             {&member{"é"}, `{"Name":"é"}`},
		"struct with an unwritten loop": {cyclicParent, `{"Raw":"AQ=="}`},
		"Marshaler on the pointer":      {[]any{&quoted{1}}, `[["q"]]`},
		"Marshaler on items' pointers":  {[]quoted{{1}, {2}}, `[["q"],["q"]]`},
		"Marshaler with invalid UTF-8":  {answer("\"\xff\""), "\"\uFFFD\""},
		"TextMarshaler":                 {netip.MustParseAddr("::1"), `"::1"`},
		"big integer":                   {new(big.Int).Lsh(big.NewInt(1), 70), `1180591620717411303424`},
		"64 levels":                     {nested(64), strings.Repeat(`{"a":`, 64) + `"x"` + strings.Repeat("}", 64)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, sorted := range []bool{true, false} {
				got, err := jsonenc.Append([]byte("before,"), c.value, jsonenc.Options{Sorted: sorted})
				if err != nil {
					t.Fatal(err)
				}
				if !json.Valid(got[len("before,"):]) {
					t.Fatalf("not JSON: %s", got)
				}
				if sorted && string(got) != "before,"+c.want {
					t.Errorf("\ngot  %s\nwant before,%s", got, c.want)
				}
				if len(got) != len("before,"+c.want) {
					t.Errorf("sorted and unsorted differ in length: %s", got)
				}
			}
		})
	}
}

func TestAppendErrors(t *testing.T) {
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	cyclicItems := make([]any, 1)
	cyclicItems[0] = cyclicItems
	cyclicMap := loop{}
	cyclicMap["self"] = cyclicMap
	var cyclicPointer any
	cyclicPointer = &cyclicPointer
	long := &list{}
	for range 1_000_000 {
		long = &list{long}
	}
	deepRaw := json.RawMessage(strings.Repeat("[", 64) + strings.Repeat("]", 64))
	for name, c := range map[string]struct {
		value any
		path  string
		holds string // what the reason says
	}{
		"NaN":                          {math.NaN(), "", "finite"},
		"NaN in an object":             {map[string]any{"traits": map[string]any{"score": math.NaN()}}, "/traits/score", "finite"},
		"infinity in an array":         {map[string]any{"a": []any{1, math.Inf(-1)}}, "/a/1", "finite"},
		"infinity of float32":          {float32(math.Inf(1)), "", "finite"},
		"NaN of float32":               {float32(math.NaN()), "", "finite"},
		"NaN in a typed map":           {map[plan]float64{"x": math.NaN()}, "/x", "finite"},
		"NaN in a typed slice":         {[]float64{0, math.NaN()}, "/1", "finite"},
		"NaN in a struct":              {map[string]any{"s": struct{ F float64 }{math.NaN()}}, "/s", "finite"},
		"name with slash and tilde":    {map[string]any{"a/b~c": math.NaN()}, "/a~1b~0c", "finite"},
		"number that is text":          {json.Number("secret@example.com"), "", "number"},
		"number with leading zero":     {json.Number("01"), "", "number"},
		"number with plus":             {json.Number("+1"), "", "number"},
		"number without fraction":      {json.Number("1."), "", "number"},
		"number without exponent":      {json.Number("1e+"), "", "number"},
		"number with more behind it":   {json.Number("1,2"), "", "number"},
		"lone minus":                   {json.Number("-"), "", "number"},
		"NaN as a number":              {json.Number("NaN"), "", "number"},
		"number in a struct":           {struct{ N json.Number }{"secret@example.com"}, "", "number"},
		"raw that is not JSON":         {map[string]any{"r": json.RawMessage(`{"a":secret@example.com}`)}, "/r", "raw"},
		"empty raw":                    {json.RawMessage{}, "", "raw"},
		"raw with two values":          {json.RawMessage(`1 2`), "", "raw"},
		"raw too deep for its place":   {[]any{deepRaw}, "/0", "64 levels"},
		"65 levels":                    {nested(65), strings.Repeat("/a", 64), "64 levels"},
		"object in itself":             {cyclic, strings.Repeat("/self", 64), "64 levels"},
		"array in itself":              {cyclicItems, strings.Repeat("/0", 64), "64 levels"},
		"typed map in itself":          {cyclicMap, strings.Repeat("/self", 64), "64 levels"},
		"pointer to itself":            {cyclicPointer, "", "64 levels"},
		"list of a million structs":    {map[string]any{"l": long}, "/l", "64 levels"},
		"year 10000":                   {map[string]any{"t": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "/t", "year"},
		"year before 0":                {time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), "", "year"},
		"offset of a day":              {time.Now().In(time.FixedZone("", 24*3600)), "", "offset"},
		"channel":                      {map[string]any{"c": make(chan int)}, "/c", "chan int"},
		"function in a struct":         {struct{ F func() }{func() {}}, "", "func()"},
		"complex number":               {complex(1, 2), "", "complex128"},
		"Marshaler that fails":         {map[string]any{"m": failing{}}, "/m", "Marshaler fails"},
		"Marshaler that panics":        {[]any{1, panicking{}}, "/1", "panics"},
		"Marshaler in a struct panics": {&struct{ P panicking }{}, "", "panics"},
		"Marshaler without JSON":       {answer("secret@example.com"), "", "Marshaler fails"},
		"Marshaler too deep":           {[]any{answer(deepRaw)}, "/0", "64 levels"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, sorted := range []bool{true, false} {
				got, err := jsonenc.Append([]byte("before"), c.value, jsonenc.Options{Sorted: sorted})
				if string(got) != "before" {
					t.Errorf("dst is %q", got)
				}
				var e *jsonenc.Error
				if !errors.As(err, &e) {
					t.Fatalf("got %v, want an *Error", err)
				}
				if e.Path != c.path {
					t.Errorf("path %s, want %s", e.Path, c.path)
				}
				if !strings.Contains(e.Reason, c.holds) || !strings.Contains(e.Error(), e.Reason) {
					t.Errorf("reason %q, want something with %q", e.Reason, c.holds)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error shows the value: %v", err)
				}
			}
		})
	}
}

// A panic or an error in one value leaves the encoder usable for the next.
func TestAppendAfterError(t *testing.T) {
	if _, err := jsonenc.Append(nil, panicking{}, jsonenc.Options{}); err == nil {
		t.Fatal("no error")
	}
	got, err := jsonenc.Append(nil, []any{1}, jsonenc.Options{})
	if err != nil || string(got) != "[1]" {
		t.Fatalf("got %s, %v", got, err)
	}
}

// A value that holds another many times over, at every level, would take more memory than there is.
func TestAppendStopsAtMax(t *testing.T) {
	var v any = "0123456789"
	for range 30 {
		v = []any{v, map[string]any{"a": v, "b": v}, v}
	}
	dst := []byte("before")
	out, err := jsonenc.Append(dst, v, jsonenc.Options{Max: 10_000})
	var of *jsonenc.Error
	if !errors.As(err, &of) || !of.TooLarge {
		t.Errorf("error %v", err)
	}
	if string(out) != "before" || cap(out) > 64_000 {
		t.Errorf("came back with %d bytes of %d", len(out), cap(out))
	}
	small := []any{"a", []any{1}, map[string]any{"b": []string{"c"}}}
	for _, limit := range []int{0, 1_000} {
		if out, err := jsonenc.Append(nil, small, jsonenc.Options{Max: limit}); err != nil || string(out) != `["a",[1],{"b":["c"]}]` {
			t.Errorf("with Max %d: %s, %v", limit, out, err)
		}
	}
}
