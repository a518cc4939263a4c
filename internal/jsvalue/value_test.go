package jsvalue

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"
)

type (
	text   string
	list   struct{ Next *list }
	panics struct{}
	fails  struct{}
)

func (panics) MarshalJSON() ([]byte, error) { panic("no") }
func (fails) MarshalJSON() ([]byte, error)  { return nil, errors.New("no") }

func TestOf(t *testing.T) {
	n := 7
	pn := &n
	var none *int
	var loop any
	loop = &loop
	long := new(list)
	for range 1_000_000 {
		long = &list{long}
	}
	for _, c := range []struct {
		name     string
		in, want any
	}{
		{"nil", nil, nil},
		{"undefined", Undefined, Undefined},
		{"int", 7, int64(7)},
		{"int8", int8(-7), int64(-7)},
		{"uint32", uint32(7), uint64(7)},
		{"a large integer", int64(math.MaxInt64), int64(math.MaxInt64)},
		{"float32 prints as it did", float32(0.1), 0.1},
		{"json.Number", json.Number("9007199254740993"), json.Number("9007199254740993")},
		{"a named string", text("x"), "x"},
		{"bytes", []byte("hi"), "aGk="},
		{"time", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "2024-01-02T03:04:05Z"},
		{"pointer", &pn, int64(7)},
		{"nil pointer", none, nil},
		{"typed map", map[text]int{"a": 1}, map[string]any{"a": 1}},
		{"nil map", map[string]int(nil), nil},
		{"typed slice", []text{"a"}, []any{text("a")}},
		{"array", [2]bool{true}, []any{true, false}},
		{"struct", struct{ A int }{1}, map[string]any{"A": json.Number("1")}},
		{"marshaler", big.NewInt(12), json.Number("12")},
		{"raw message", json.RawMessage(`{"a":[1]}`), map[string]any{"a": []any{json.Number("1")}}},
		{"channel", make(chan int), Undefined},
		{"a marshaler that panics", panics{}, Undefined},
		{"a marshaler that fails", fails{}, Undefined},
		{"a pointer to itself", loop, Undefined},
		{"a list without an end", long, Undefined},
	} {
		if got := Of(c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %T %v, want %T %v", c.name, got, got, c.want, c.want)
		}
	}
}

func TestStringOfValues(t *testing.T) {
	deep := any("x")
	for range 100_000 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		in   any
		want string
	}{
		{nil, "null"}, {Undefined, "undefined"}, {true, "true"}, {"é", "é"},
		{0.0, "0"}, {math.Copysign(0, -1), "0"}, {1e21, "1e+21"}, {1e20, "100000000000000000000"}, {1e-6, "0.000001"}, {1e-7, "1e-7"},
		{1.5e-10, "1.5e-10"}, {1e100, "1e+100"}, {math.NaN(), "NaN"}, {math.Inf(-1), "-Infinity"}, {0.1, "0.1"},
		{int64(9007199254740993), "9007199254740993"}, {uint64(math.MaxUint64), "18446744073709551615"},
		{json.Number("9007199254740993"), "9007199254740993"}, {json.Number("1.50"), "1.5"}, {json.Number("-0"), "0"}, {json.Number("1e21"), "1e+21"},
		{json.Number("1e999"), "Infinity"}, {json.Number("x"), "NaN"},
		{[]any{1.0, nil, Undefined, "a", []any{true, "b"}}, "1,,,a,true,b"}, {[]any{}, ""},
		{map[string]any{"a": 1}, "[object Object]"}, {[]any{map[string]any{}}, "[object Object]"},
		{deep, ""},
	} {
		if got := String(c.in); got != c.want {
			t.Errorf("String(%.40s) = %q, want %q", fmt.Sprint(c.in), got, c.want)
		}
	}
}

func TestTruthyAndLooselyEmpty(t *testing.T) {
	for _, c := range []struct {
		name          string
		in            any
		truthy, empty bool
	}{
		{"undefined", Undefined, false, false},
		{"null", nil, false, false},
		{"false", false, false, true},
		{"true", true, true, false},
		{"empty string", "", false, true},
		{"blank", " ", true, false},
		{"0", 0.0, false, true},
		{"int 0", int64(0), false, true},
		{"json 0", json.Number("0.0"), false, true},
		{"NaN", math.NaN(), false, false},
		{"1", int64(1), true, false},
		{"empty array", []any{}, true, true},
		{"array of null", []any{nil}, true, true},
		{"array of 0", []any{0.0}, true, false},
		{"empty object", map[string]any{}, true, false},
	} {
		if got := Truthy(c.in); got != c.truthy {
			t.Errorf("Truthy of %s is %v", c.name, got)
		}
		if got := LooselyEmpty(c.in); got != c.empty {
			t.Errorf("LooselyEmpty of %s is %v", c.name, got)
		}
	}
}

func FuzzAppendFloatReadsBack(f *testing.F) {
	for _, v := range []float64{0, 1, -1.5, 1e21, 1e-7, 5e-324, math.MaxFloat64} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		var back float64
		if err := json.Unmarshal(AppendFloat(nil, v), &back); err != nil || back != v {
			t.Errorf("%v is written as %s", v, AppendFloat(nil, v))
		}
	})
}

// Amounts are written by hand, the rest by strconv.
func TestAppendFloatOfAmounts(t *testing.T) {
	check := func(f float64) {
		want := strconv.FormatFloat(f, 'f', -1, 64)
		if got := string(AppendFloat(nil, f)); got != want && math.Abs(f) >= 1e-6 && math.Abs(f) < 1e21 {
			t.Errorf("AppendFloat(%v) = %s, want %s", f, got, want)
		}
	}
	for _, f := range []float64{0.5, -0.5, 0.001, -0.001, 0.0005, 0.0015, 0.1 + 0.2, 1249.5, 19.99, 999_999_999_999.999, 1e12 + 0.5, 4503599627370495.5, 1.005} {
		check(f)
		check(math.Nextafter(f, 0))
		check(math.Nextafter(f, math.Inf(1)))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		check(float64(rng.Int64N(1e15)-5e14) / 1000)
		check(float64(rng.Int64N(1e7)) / 100)
		check((rng.Float64() - 0.5) * math.Pow(10, float64(rng.IntN(16))))
	}
}
