package jsvalue

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// ToNumber returns v as JavaScript's Number(v): 0 for null and false, 1 for true, what ParseNumber reads in a string or in an
// array's text, and NaN for undefined and objects.
func ToNumber(v any) float64 {
	switch x := v.(type) {
	case nil:
		return 0
	case bool:
		if x {
			return 1
		}
		return 0
	case string:
		return ParseNumber(x)
	case []any:
		return ParseNumber(String(x))
	}
	if f, ok := Float(v); ok {
		return f
	}
	return math.NaN()
}

// ParseNumber returns s as JavaScript's Number(s) reads it: white space around a decimal number, Infinity, or digits after 0x, 0o
// or 0b. Text of white space alone is 0, and anything else NaN.
func ParseNumber(s string) float64 {
	s = strings.TrimFunc(s, IsSpace)
	if s == "" {
		return 0
	}
	if len(s) > 2 && s[0] == '0' {
		switch s[1] {
		case 'x', 'X':
			return parseDigits(s[2:], 16)
		case 'o', 'O':
			return parseDigits(s[2:], 8)
		case 'b', 'B':
			return parseDigits(s[2:], 2)
		}
	}
	switch s {
	case "Infinity", "+Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	if !isDecimal(s) {
		return math.NaN()
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range is an infinity, as it is in JavaScript
	return f
}

// isDecimal tells whether s is a decimal literal: a sign, digits with a point among, before or after them, an exponent.
// strconv takes more than that: "inf", "nan", hexadecimal floats.
func isDecimal(s string) bool {
	s = trimSign(s)
	whole := countDigits(s)
	s = s[whole:]
	fraction := 0
	if strings.HasPrefix(s, ".") {
		fraction = countDigits(s[1:])
		s = s[1+fraction:]
	}
	if whole+fraction == 0 {
		return false
	}
	if s == "" {
		return true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	s = trimSign(s[1:])
	return s != "" && countDigits(s) == len(s)
}

func trimSign(s string) string {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:]
	}
	return s
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// parseDigits reads the digits of a base that is a power of two.
func parseDigits(s string, base int) float64 {
	n, err := strconv.ParseUint(s, base, 64)
	if err == nil {
		return float64(n)
	}
	if errors.Is(err, strconv.ErrRange) {
		if n, ok := new(big.Int).SetString(s, base); ok {
			f, _ := new(big.Float).SetInt(n).Float64()
			return f
		}
	}
	return math.NaN()
}
