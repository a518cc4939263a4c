package retl

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Types as drivers have them.
type (
	text     string
	flag     bool
	tiny     int8
	word     uint32
	raw      []byte
	id       [16]byte
	decimal  struct{ digits string }
	document struct{ text string }
	point    struct{}
	stranger struct{ Secret string }
	valuer   struct{ v any }
)

func (d decimal) String() string                      { return d.digits }
func (d document) MarshalJSON() ([]byte, error)       { return []byte(d.text), nil }
func (p point) MarshalText() ([]byte, error)          { return []byte("(1,2)"), nil }
func (v valuer) Value() (driver.Value, error)         { return v.v, v.failure() }
func (v valuer) failure() error                       { err, _ := v.v.(error); return err }
func (v *pointerValuer) Value() (driver.Value, error) { return v.s, nil }

type pointerValuer struct{ s string }

func TestValues(t *testing.T) {
	cet := time.FixedZone("CET", 3600)
	moment := time.Date(2024, 2, 29, 12, 30, 45, 120_000_000, cet)
	number := func(s string) json.Number { return json.Number(s) }
	for _, test := range []struct {
		name  string
		typ   string
		scan  reflect.Type
		value any
		want  any
	}{
		{"null", "TEXT", nil, nil, nil},
		{"an empty BLOB of SQLite", "BLOB", nil, []byte(nil), ""},

		{"SQLite's true", "BOOLEAN", nil, int64(1), true},
		{"SQLite's false", "BOOLEAN", nil, int64(0), false},
		{"a bool as a float", "BOOLEAN", nil, 1.0, true},
		{"PostgreSQL's bool", "BOOL", nil, true, true},
		{"a bool as text", "BOOL", nil, "t", true},
		{"a bool that is none", "BOOL", nil, "maybe", "maybe"},
		{"SQLite's TINYINT(1)", "TINYINT(1)", nil, int64(1), true},
		{"TINYINT(1) as text", "tinyint(1)", nil, []byte("0"), false},
		{"TINYINT(1) as a byte", "TINYINT(1)", nil, []byte{1}, true},
		{"TINYINT", "TINYINT", nil, int64(1), int64(1)},
		{"TINYINT(10)", "TINYINT(10)", nil, int64(1), int64(1)},
		{"SQL Server's BIT", "BIT", reflect.TypeFor[bool](), true, true},
		{"PostgreSQL's bit", "BIT", reflect.TypeFor[string](), "101", "101"},
		{"MySQL's BIT(1)", "BIT", reflect.TypeFor[[]byte](), []byte{1}, uint64(1)},
		{"MySQL's BIT(16)", "BIT", reflect.TypeFor[[]byte](), []byte{1, 2}, uint64(258)},
		{"a bool by its scan type", "", reflect.TypeFor[sql.NullBool](), int64(1), true},

		{"a large integer", "BIGINT", nil, int64(math.MaxInt64), int64(math.MaxInt64)},
		{"a larger one", "UNSIGNED BIGINT", nil, uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{"an integer as text", "UNSIGNED BIGINT", nil, []byte("18446744073709551615"), number("18446744073709551615")},
		{"a float", "FLOAT", nil, 1.5, 1.5},
		{"MySQL's float", "FLOAT", nil, float32(0.1), float32(0.1)},
		{"NaN", "DOUBLE", nil, math.NaN(), nil},
		{"a short NaN", "FLOAT", nil, float32(math.NaN()), nil},
		{"infinity", "FLOAT8", nil, math.Inf(-1), nil},
		{"a decimal keeps its digits", "DECIMAL(20,10)", nil, "1234567890.1234567890", number("1234567890.1234567890")},
		{"a decimal in bytes", "NUMERIC", nil, []byte("-0.10"), number("-0.10")},
		{"Oracle's half", "NUMBER", nil, "-.5", number("-0.5")},
		{"NaN of NUMERIC", "NUMERIC", nil, "NaN", nil},
		{"infinity of NUMERIC", "NUMERIC", nil, "-Infinity", nil},
		{"money", "MONEY", nil, "$1,234.50", "$1,234.50"},
		{"text that SQLite lets into an INTEGER", "INTEGER", nil, "many", "many"},

		{"a time in another zone", "TIMESTAMPTZ", nil, moment, "2024-02-29T11:30:45.12Z"},
		{"a time of a column without a type", "", nil, moment, "2024-02-29T11:30:45.12Z"},
		{"nanoseconds", "TIMESTAMP", nil, time.Unix(0, 1).UTC(), "1970-01-01T00:00:00.000000001Z"},
		{"a year before Christ", "TIMESTAMP", nil, time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC), "-000043-03-15T00:00:00Z"},
		{"a far year", "TIMESTAMP", nil, time.Date(12024, 3, 15, 0, 0, 0, 0, time.UTC), "+012024-03-15T00:00:00Z"},
		{"a year that its zone takes over the edge", "TIMESTAMP", nil, time.Date(10000, 1, 1, 0, 30, 0, 0, cet), "9999-12-31T23:30:00Z"},
		{"infinity", "TIMESTAMPTZ", nil, "infinity", "infinity"},
		{"MySQL's time in bytes", "DATETIME", nil, []byte("2024-02-29 11:30:45.5"), "2024-02-29T11:30:45.5Z"},
		{"MySQL's zero", "DATETIME", nil, []byte("0000-00-00 00:00:00"), "0000-00-00 00:00:00"},
		{"a time with a short zone", "TIMESTAMP WITH TIME ZONE", nil, "2024-02-29 11:30:45+01", "2024-02-29T10:30:45Z"},
		{"SQLite's time without seconds", "DATETIME", nil, "2024-02-29 11:30", "2024-02-29T11:30:00Z"},
		{"a day as a time", "DATETIME", nil, "2024-02-29", "2024-02-29T00:00:00Z"},
		{"a date east of Greenwich", "DATE", nil, time.Date(2024, 2, 29, 0, 0, 0, 0, cet), "2024-02-29"},
		{"a date as text", "DATE", nil, []byte("2024-02-29"), "2024-02-29"},
		{"Oracle's date", "DATE", nil, moment, "2024-02-29T11:30:45.12Z"},
		{"a date before Christ", "DATE", nil, time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC), "-000043-03-15"},
		{"a time of day", "TIME", nil, time.Date(0, 1, 1, 12, 30, 45, 1000, time.UTC), "12:30:45.000001"},
		{"a time of day and a zone", "TIMETZ", nil, time.Date(0, 1, 1, 12, 30, 45, 0, cet), "12:30:45+01:00"},
		{"a time of day as text", "TIME", nil, "-838:59:59", "-838:59:59"},

		{"JSON", "JSONB", nil, `{"a":[1.10,null]}`, map[string]any{"a": []any{number("1.10"), nil}}},
		{"JSON in bytes", "JSON", nil, []byte(`12345678901234567890`), number("12345678901234567890")},
		{"JSON's null", "VARIANT", nil, "null", nil},
		{"JSON that is none", "JSON", nil, `{"a":`, `{"a":`},
		{"JSON twice", "JSON", nil, []byte(`1 2`), "1 2"},
		{"JSON in a text column", "TEXT", nil, `{"a":1}`, `{"a":1}`},

		{"bytes", "BYTEA", nil, []byte("\x00\xffA"), "AP9B"},
		{"bytes that are text", "VARBINARY(20)", nil, []byte("text"), "dGV4dA=="},
		{"text in a BLOB of SQLite", "BLOB", nil, "text", "text"},
		{"bytes of a text column", "VARCHAR", nil, []byte("über"), "über"},
		{"bytes of a text column that are none", "TEXT", nil, []byte("a\xffb"), "a\ufffdb"},
		{"text that is no UTF-8", "TEXT", nil, "a\xffb", "a\ufffdb"},
		{"bytes of an unknown type", "MOOD", nil, []byte("happy"), "happy"},
		{"bytes of an unknown type that are no text", "", nil, []byte{0xff}, "/w=="},
		{"bytes of an unknown type by the scan type", "", reflect.TypeFor[sql.RawBytes](), []byte("text"), "dGV4dA=="},

		{"a UUID", "UUID", nil, "F47AC10B-58cc-4372-a567-0e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d479"},
		{"a UUID in bytes", "UUID", nil, []byte("0123456789abcdef"), "30313233-3435-3637-3839-616263646566"},
		{"a UUID in an array", "UUID", nil, [16]byte([]byte("0123456789abcdef")), "30313233-3435-3637-3839-616263646566"},
		{"a UUID in an array of an unknown type", "", nil, id([]byte("0123456789abcdef")), "30313233-3435-3637-3839-616263646566"},
		{"SQL Server's UUID", "UNIQUEIDENTIFIER", nil, []byte("0123456789abcdef"), "33323130-3534-3736-3839-616263646566"},
		{"another array of bytes", "BINARY", nil, [4]byte{0, 1, 2, 3}, "AAECAw=="},

		{"an interval", "INTERVAL", nil, "1 mon 2 days", "1 mon 2 days"},
		{"an array", "_INT4", nil, "{1,2,NULL}", "{1,2,NULL}"},
		{"a duration", "INTERVAL", nil, 90 * time.Second, "1m30s"},
		{"a named text", "NUMBER", nil, text("1.50"), number("1.50")},
		{"a named bool", "", nil, flag(true), true},
		{"a small integer", "BOOLEAN", nil, tiny(1), true},
		{"an unsigned one", "", nil, word(7), uint64(7)},
		{"named bytes", "TEXT", nil, raw("abc"), "abc"},
		{"raw JSON", "", nil, json.RawMessage(`{"a":1}`), map[string]any{"a": number("1")}},
		{"a json.Number", "NUMBER", nil, number("1.0"), number("1.0")},
		{"a big integer", "FIXED", nil, new(big.Int).Lsh(big.NewInt(1), 70), number("1180591620717411303424")},
		{"a fraction that ends", "NUMERIC", nil, big.NewRat(-3, 8), number("-0.375")},
		{"a fraction that does not", "BIGNUMERIC", nil, big.NewRat(1, 3), number("0." + strings.Repeat("3", 38))},
		{"a big float", "", nil, big.NewFloat(0.25), number("0.25")},
		{"a Stringer in a decimal's column", "DECIMAL", nil, decimal{"1.10"}, number("1.10")},
		{"a json.Marshaler", "", nil, document{`{"n":1.0}`}, map[string]any{"n": number("1.0")}},
		{"a TextMarshaler", "", nil, point{}, "(1,2)"},
		{"an address", "INET", nil, netip.MustParseAddr("::1"), "::1"},
		{"a Valuer", "DECIMAL", nil, valuer{"2.50"}, number("2.50")},
		{"a Valuer of a Valuer", "BOOL", nil, valuer{valuer{int64(1)}}, true},
		{"a pointer to a Valuer", "", nil, &pointerValuer{"x"}, "x"},
		{"no pointer to one", "", nil, (*pointerValuer)(nil), nil},
		{"a pointer", "", nil, new(int64(3)), int64(3)},
		{"a list", "LIST", nil, []any{int32(1), moment, []any{nil}}, []any{int64(1), "2024-02-29T11:30:45.12Z", []any{nil}}},
		{"a map", "MAP", nil, map[string]any{"a": decimal{"x"}}, map[string]any{"a": "x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := kindOf(test.typ, 0, test.scan).value(test.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.typ, diff)
			}
		})
	}
}

func TestLengthOneOfTinyintIsBool(t *testing.T) {
	if got := kindOf("TINYINT", 1, nil); got != kindBool {
		t.Errorf("kind is %d", got)
	}
}

func TestValuesThatNoRecordHas(t *testing.T) {
	const secret = "a secret"
	loop := map[string]any{}
	loop["again"] = loop
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"a struct", stranger{secret}, "retl.stranger"},
		{"a slice", []stranger{{secret}}, "[]retl.stranger"},
		{"a complex number", complex(1, 2), "complex128"},
		{"within a list", []any{stranger{secret}}, "retl.stranger"},
		{"within a map", map[string]any{secret: make(chan int)}, "chan int"},
		{"a Valuer that fails", valuer{errors.New(secret)}, "retl.valuer"},
		{"a json.Marshaler that fails", document{secret}, "retl.document"},
		{"an endless value", loop, "too deep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := kindUnknown.value(test.value)
			if err == nil {
				t.Fatalf("no error, but %v", got)
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("error is %q", err)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "-0", "12": "12", "-1.50": "-1.50", "1e5": "1e5", "1.5E-07": "1.5E-07", "+5": "5", ".5": "0.5", "-.5": "-0.5", "+.5": "0.5",
		"": "", "-": "", "+": "", ".": "", "+-5": "", "--5": "", "-+5": "", "007": "", "1.": "", "1e": "", "1e+": "", "0x10": "", "1_000": "",
		"1 ": "", "1,5": "", "NaN": "", "Infinity": "", "1e5x": "",
	} {
		got, ok := number(in)
		if string(got) != want || ok != (want != "") {
			t.Errorf("number(%q) = %q, %v, want %q", in, got, ok, want)
		}
		if ok && !json.Valid([]byte(got)) {
			t.Errorf("number(%q) = %q is not JSON", in, got)
		}
	}
}
