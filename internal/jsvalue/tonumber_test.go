package jsvalue

import (
	"encoding/json"
	"math"
	"testing"
)

func TestToNumber(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		in   any
		want float64
	}{
		{nil, 0}, {Undefined, nan}, {true, 1}, {false, 0}, {map[string]any{}, nan},
		{[]any{}, 0}, {[]any{"42"}, 42}, {[]any{nil}, 0}, {[]any{1.0, 2.0}, nan},
		{int64(-7), -7}, {uint64(7), 7}, {json.Number("1e400"), math.Inf(1)}, {2.5, 2.5},
		{"", 0}, {" \t\n\u00a0\ufeff", 0}, {"\u0085", nan}, {" 12.50 ", 12.5}, {".5", .5}, {"5.", 5}, {".", nan}, {"+.5e+1", 5}, {"-0", 0},
		{"1e", nan}, {"1e5", 1e5}, {"1e999", math.Inf(1)}, {"-1e999", math.Inf(-1)}, {"e5", nan}, {"--1", nan}, {"1 2", nan}, {"1_000", nan},
		{"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)}, {"inf", nan}, {"NaN", nan}, {"nan", nan},
		{"0x1F", 31}, {"0X1f", 31}, {"0o17", 15}, {"0b101", 5}, {"0x", nan}, {"0b2", nan}, {"-0x1", nan}, {"0x1p4", nan}, {"0x_1", nan}, {"0x+1", nan},
		{"0x10000000000000000", 18446744073709551616}, {"0o7777777777777777777777", 73786976294838206464},
	} {
		got := ToNumber(c.in)
		if got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("ToNumber(%#v) = %v, not %v", c.in, got, c.want)
		}
	}
}
