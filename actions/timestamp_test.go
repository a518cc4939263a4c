package actions

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseTimestamp(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"},
		{"2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05.678Z"},
		{"2024-01-02T03:04:05.1234567891Z", "2024-01-02T03:04:05.123456789Z"},
		{"2024-01-02t03:04:05z", "2024-01-02T03:04:05Z"},
		{"2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"},
		{"2024-01-02T03:04:05.000-0530", "2024-01-02T08:34:05Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z"},
		{"2024-01-02 03:04:05", "2024-01-02T03:04:05Z"},
		{"2024-01-02T03:04:05", "2024-01-02T03:04:05Z"},
		{"2024-01-02 03:04:05.999", "2024-01-02T03:04:05.999Z"},
		{"2024-01-02 03:04:05 UTC", "2024-01-02T03:04:05Z"},
		{"2024-01-02 03:04:05.123456 UTC", "2024-01-02T03:04:05.123456Z"},
		{"2024-01-02 03:04:05+02", "2024-01-02T01:04:05Z"},
		{"2024-01-02 03:04:05.5-07:00", "2024-01-02T10:04:05.5Z"},
		{"2024-01-02 03:04:05.123 -0800", "2024-01-02T11:04:05.123Z"},
		{"2024-12-31T23:59:59-23:59", "2025-01-01T23:58:59Z"},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"1700000000", "2023-11-14T22:13:20Z"},
		{"1700000000123", "2023-11-14T22:13:20.123Z"},
		{"0", "1970-01-01T00:00:00Z"},
		{"99999999999", "5138-11-16T09:46:39Z"},
		{"100000000000", "1973-03-03T09:46:40Z"},
		{"99999999999999", "5138-11-16T09:46:39.999Z"},
		{"100000000000000", "1973-03-03T09:46:40Z"},
		{"99999999999999999", "5138-11-16T09:46:39.999999Z"},
		{"100000000000000000", "1973-03-03T09:46:40Z"},
		{"1700000000123456789", "2023-11-14T22:13:20.123456789Z"},
		{"18446744073709551615", "2554-07-21T23:34:33.709551615Z"},
	} {
		got, ok := parseTimestamp(c.text)
		if text := got.Format(time.RFC3339Nano); !ok || text != c.want {
			t.Errorf("%s: %s, %v, want %s", c.text, text, ok, c.want)
		}
	}
}

func TestParseTimestampRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "garbage", "not a date", "true", "2024-1-2", "2024-01", "2024-00-01", "2024-13-01", "2024-01-00", "2024-01-32", "2023-02-29",
		"2024-01-02T", "2024-01-02 ", "2024-01-02Z", "2024-01-02x03:04:05Z", "2024-01-02T3:04:05Z", "2024-01-02T03:04Z", "2024-01-02T24:00:00Z",
		"2024-01-02T03:60:00Z", "2024-01-02T03:04:60Z", "2024-01-02T03:04:05.Z", "2024-01-02T03:04:05,5Z", "2024-01-02T03:04:05 ",
		"2024-01-02T03:04:05+", "2024-01-02T03:04:05+2", "2024-01-02T03:04:05+02:", "2024-01-02T03:04:05+02:0", "2024-01-02T03:04:05+24:00",
		"2024-01-02T03:04:05+02:60", "2024-01-02T03:04:05+02:00x", "2024-01-02T03:04:05 PST", "2024-01-02T03:04:05  Z", "2024-01-02T03:04:05ZZ",
		"+2024-01-02", "-1", "1.5", "1e9", "١٧٠٠", "18446744073709551616", " 1700000000", "Tue, 02 Jan 2024 03:04:05 GMT", "01/02/2024",
		"0000-00-00 00:00:00",
	} {
		if got, ok := parseTimestamp(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestNumberTime(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string // empty: refused
	}{
		{"seconds", int64(1700000000), "2023-11-14T22:13:20Z"},
		{"unsigned", uint64(1700000000123), "2023-11-14T22:13:20.123Z"},
		{"a double of milliseconds", 1700000000123.0, "2023-11-14T22:13:20.123Z"},
		{"a double with a fraction", 1700000000.123, "2023-11-14T22:13:20.123Z"},
		{"milliseconds with a fraction", 1700000000123.5, "2023-11-14T22:13:20.1235Z"},
		{"microseconds with a fraction", json.Number("1700000000123456.789"), "2023-11-14T22:13:20.123456789Z"},
		{"digits past a double", json.Number("1700000000123456789"), "2023-11-14T22:13:20.123456789Z"},
		{"a fraction longer than nanoseconds", json.Number("1700000000.1234567899"), "2023-11-14T22:13:20.123456789Z"},
		{"an exponent", json.Number("1.7e9"), "2023-11-14T22:13:20Z"},
		{"minus zero", math.Copysign(0, -1), "1970-01-01T00:00:00Z"},
		{"before 1970", int64(-1), "0001-01-01T00:00:00Z"},
		{"just before 1970", -0.5, "0001-01-01T00:00:00Z"},
		{"larger than nanoseconds can be", 1e20, ""},
		{"not a number", math.NaN(), ""},
		{"infinity", math.Inf(1), ""},
		{"a json.Number that is none", json.Number("x"), ""},
		{"a boolean", true, ""},
	} {
		got, ok := numberTime(c.value)
		if ok != (c.want != "") {
			t.Errorf("%s: %v, %v", c.name, got, ok)
		} else if text := got.Format(time.RFC3339Nano); ok && text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// rfc3339 is stricter than package time, which takes an hour of one digit, a comma before the fraction and an offset of a day.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):\d\d)$`)

// FuzzParseTimestamp holds the parser against package time, where that reads the same text.
func FuzzParseTimestamp(f *testing.F) {
	for _, seed := range []string{
		"2024-01-02T03:04:05Z", "2024-01-02 03:04:05.123 -0800", "2024-02-29", "1700000000123", "2024-01-02 03:04:05 UTC", "2024-01-02T03:04:05+0",
	} {
		f.Add(seed)
	}
	layouts := []string{
		time.DateOnly, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05Z07",
		"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 UTC", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", time.RFC3339,
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseTimestamp(text)
		if _, err := time.Parse(time.RFC3339, text); err == nil && !ok && rfc3339.MatchString(text) {
			t.Fatalf("%q is RFC 3339 and refused", text)
		}
		if !ok || isDigits(text) {
			return
		}
		if got.Location() != time.UTC {
			t.Errorf("%q is not in UTC", text)
		}
		for _, layout := range layouts {
			// A comma before the fraction is package time's own.
			if want, err := time.Parse(layout, text); err == nil && !strings.Contains(text, ",") && !want.Equal(got) {
				t.Errorf("%q is %v, by package time %v", text, got, want)
			}
		}
	})
}
