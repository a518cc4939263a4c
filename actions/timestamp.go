package actions

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseTimestamp reads a timestamp that is text: RFC 3339, a date alone (midnight UTC), what warehouses and CRMs write, or a
// string of digits, which is an epoch number. Between date and time may be a T or a space; the fraction may have any number of
// digits; the zone is Z, UTC, ±hh, ±hhmm or ±hh:mm, with or without a space before it, and UTC where it is missing.
func parseTimestamp(s string) (time.Time, bool) {
	if isDigits(s) {
		return epochTime(s)
	}
	year, s, ok := digits(s, 4, '-')
	if !ok {
		return time.Time{}, false
	}
	month, s, ok := digits(s, 2, '-')
	if !ok || month < 1 || month > 12 {
		return time.Time{}, false
	}
	day, s, ok := digits(s, 2, 0)
	if !ok || day < 1 || day > daysIn(year, month) {
		return time.Time{}, false
	}
	midnight := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if s == "" {
		return midnight, true
	}
	if s[0] != 'T' && s[0] != 't' && s[0] != ' ' {
		return time.Time{}, false
	}
	clock, s, ok := parseClock(s[1:])
	if !ok {
		return time.Time{}, false
	}
	offset, ok := parseZone(s)
	return midnight.Add(clock - offset), ok
}

// parseClock reads hh:mm:ss with a fraction, as the time since midnight, and returns what is left.
func parseClock(s string) (clock time.Duration, rest string, ok bool) {
	hour, s, ok := digits(s, 2, ':')
	if !ok || hour > 23 {
		return 0, "", false
	}
	minute, s, ok := digits(s, 2, ':')
	if !ok || minute > 59 {
		return 0, "", false
	}
	second, s, ok := digits(s, 2, 0)
	if !ok || second > 59 {
		return 0, "", false
	}
	clock = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	if fraction, found := strings.CutPrefix(s, "."); found {
		s = strings.TrimLeft(fraction, "0123456789")
		fraction = fraction[:len(fraction)-len(s)]
		if fraction == "" {
			return 0, "", false
		}
		clock += time.Duration(scaled(fraction, 9))
	}
	return clock, s, true
}

// parseZone reads a zone that ends the text, as what it is ahead of UTC.
func parseZone(s string) (offset time.Duration, ok bool) {
	if s == "" {
		return 0, true
	}
	s = strings.TrimPrefix(s, " ")
	switch s {
	case "Z", "z", "UTC":
		return 0, true
	case "":
		return 0, false
	}
	sign := s[0]
	if sign != '+' && sign != '-' {
		return 0, false
	}
	hours, s, ok := digits(s[1:], 2, 0)
	if !ok || hours > 23 {
		return 0, false
	}
	minutes := 0
	if s != "" {
		if minutes, s, ok = digits(strings.TrimPrefix(s, ":"), 2, 0); !ok || s != "" || minutes > 59 {
			return 0, false
		}
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if sign == '-' {
		offset = -offset
	}
	return offset, true
}

// digits reads exactly n digits and, unless it is 0, the byte behind them.
func digits(s string, n int, then byte) (value int, rest string, ok bool) {
	if len(s) < n {
		return 0, "", false
	}
	for i := range n {
		if s[i] < '0' || s[i] > '9' {
			return 0, "", false
		}
		value = value*10 + int(s[i]-'0')
	}
	s = s[n:]
	if then == 0 {
		return value, s, true
	}
	if s == "" || s[0] != then {
		return 0, "", false
	}
	return value, s[1:], true
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// scaled returns the first places digits of a fraction as a number: scaled("5", 3) is 500.
func scaled(fraction string, places int) (n int64) {
	for i := range places {
		n *= 10
		if i < len(fraction) {
			n += int64(fraction[i] - '0')
		}
	}
	return n
}

// numberTime returns a number, of one of jsvalue's types, as the epoch time it stands for.
func numberTime(v any) (time.Time, bool) {
	switch x := v.(type) {
	case int64:
		return epochTime(strconv.FormatInt(x, 10))
	case uint64:
		return epochTime(strconv.FormatUint(x, 10))
	case json.Number:
		if t, ok := epochTime(string(x)); ok {
			return t, true
		}
		f, err := x.Float64()
		return floatTime(f, err == nil)
	case float64:
		return floatTime(x, true)
	}
	return time.Time{}, false
}

func floatTime(f float64, ok bool) (time.Time, bool) {
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return time.Time{}, false
	}
	// By way of its shortest text: 1700000000.1 is no double, and would get a tail of stray nanoseconds.
	return epochTime(strconv.FormatFloat(f, 'f', -1, 64))
}

// epochTime reads a plain decimal number as time since 1970. Its size tells the unit: seconds below 1e11 (the year 5138),
// milliseconds below 1e14, microseconds below 1e17, else nanoseconds. What is before 1970 comes back as the zero time, which
// is before 1970 as well.
func epochTime(s string) (time.Time, bool) {
	magnitude, negative := strings.CutPrefix(s, "-")
	whole, fraction, pointed := strings.Cut(magnitude, ".")
	if !isDigits(whole) || pointed && !isDigits(fraction) {
		return time.Time{}, false
	}
	if negative && strings.Trim(magnitude, "0.") != "" {
		return time.Time{}, true
	}
	n, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	switch {
	case n < 1e11:
		return time.Unix(int64(n), scaled(fraction, 9)).UTC(), true
	case n < 1e14:
		return time.UnixMilli(int64(n)).Add(time.Duration(scaled(fraction, 6))).UTC(), true
	case n < 1e17:
		return time.UnixMicro(int64(n)).Add(time.Duration(scaled(fraction, 3))).UTC(), true
	}
	return time.Unix(int64(n/1e9), int64(n%1e9)).UTC(), true
}
