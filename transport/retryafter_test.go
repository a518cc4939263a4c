package transport

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Row 7 of the fault matrix.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"none", http.Header{}, 0},
		{"1", http.Header{"Retry-After": {"1"}}, time.Second},
		{"60", http.Header{"Retry-After": {"60"}}, time.Minute},
		{"0 is at least a second", http.Header{"Retry-After": {"0"}}, time.Second},
		{"negative", http.Header{"Retry-After": {"-1"}}, 0},
		{"a word", http.Header{"Retry-After": {"abc"}}, 0},
		{"empty", http.Header{"Retry-After": {""}}, 0},
		{"infinity", http.Header{"Retry-After": {"inf"}}, 0},
		{"not a number", http.Header{"Retry-After": {"NaN"}}, 0},
		{"exponent", http.Header{"Retry-After": {"1e2"}}, 0},
		{"hexadecimal", http.Header{"Retry-After": {"0x10"}}, 0},
		{"a point alone", http.Header{"Retry-After": {"."}}, 0},
		{"two points", http.Header{"Retry-After": {"1.2.3"}}, 0},
		{"1.5", http.Header{"Retry-After": {"1.5"}}, 1500 * time.Millisecond},
		{".5 is at least a second", http.Header{"Retry-After": {".5"}}, time.Second},
		{"white space", http.Header{"Retry-After": {" 5 "}}, 5 * time.Second},
		{"300", http.Header{"Retry-After": {"300"}}, MaxRetryAfter},
		{"301", http.Header{"Retry-After": {"301"}}, MaxRetryAfter},
		{"10^18", http.Header{"Retry-After": {"1000000000000000000"}}, MaxRetryAfter},
		{"MaxInt64", http.Header{"Retry-After": {strconv.FormatInt(math.MaxInt64, 10)}}, MaxRetryAfter},
		{"400 digits", http.Header{"Retry-After": {strings.Repeat("9", 400)}}, MaxRetryAfter},
		{"400 digits and a fraction", http.Header{"Retry-After": {strings.Repeat("9", 400) + ".5"}}, MaxRetryAfter},
		{"a date", http.Header{"Retry-After": {date(90 * time.Second)}}, 90 * time.Second},
		{"a date that has passed", http.Header{"Retry-After": {date(-time.Hour)}}, time.Second},
		{"a date far away", http.Header{"Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, MaxRetryAfter},
		{"a date long ago", http.Header{"Retry-After": {"Mon, 01 Jan 0001 00:00:00 GMT"}}, time.Second},
		{"a date in RFC 850", http.Header{"Retry-After": {now.Add(2 * time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT")}}, 2 * time.Minute},
		{"a date by a server whose clock is an hour ahead",
			http.Header{"Retry-After": {date(time.Hour + 30*time.Second)}, "Date": {date(time.Hour)}}, 30 * time.Second},
		{"twice: the longest", http.Header{"Retry-After": {"5", "20"}}, 20 * time.Second},
		{"twice: the valid one", http.Header{"Retry-After": {"abc", "2"}}, 2 * time.Second},
		{"only X-RateLimit-Reset", http.Header{"X-Ratelimit-Reset": {"7"}}, 7 * time.Second},
		{"both: Retry-After", http.Header{"Retry-After": {"3"}, "X-Ratelimit-Reset": {"30"}}, 3 * time.Second},
		{"a broken Retry-After and X-RateLimit-Reset", http.Header{"Retry-After": {"soon"}, "X-Ratelimit-Reset": {"7"}}, 7 * time.Second},
		{"a broken X-RateLimit-Reset", http.Header{"X-Ratelimit-Reset": {"-7"}}, 0},
		{"X-RateLimit-Reset in seconds since 1970", http.Header{"X-Ratelimit-Reset": {strconv.FormatInt(now.Unix()+40, 10)}}, 40 * time.Second},
		{"X-RateLimit-Reset in milliseconds since 1970", http.Header{"X-Ratelimit-Reset": {strconv.FormatInt(now.UnixMilli()+2_500, 10)}}, 2500 * time.Millisecond},
		{"X-RateLimit-Reset long ago", http.Header{"X-Ratelimit-Reset": {"1000000000"}}, time.Second},
		{"X-RateLimit-Reset of 10^18", http.Header{"X-Ratelimit-Reset": {"1000000000000000000"}}, MaxRetryAfter},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := retryAfter(c.header, now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"1", "0", "-1", "1.5", ".", "abc", "9223372036854775807", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun Nov  6 08:49:37 1994", "١", "1_0", "+1",
	} {
		f.Add(seed, int64(1_772_366_400))
	}
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		now := time.Unix(unix, 0)
		wait, ok := parseRetryAfter(value, now)
		if ok && (wait < minRetryAfter || wait > MaxRetryAfter) || !ok && wait != 0 {
			t.Fatalf("%q gave %v, %v", value, wait, ok)
		}
		// What strconv takes for a whole number of seconds within the limits, we have to.
		if n, err := strconv.ParseUint(value, 10, 16); err == nil && n >= 1 && n <= 300 && wait != time.Duration(n)*time.Second {
			t.Fatalf("%q gave %v", value, wait)
		}
		header := http.Header{"Retry-After": {value}, "X-Ratelimit-Reset": {value}, "Date": {value}}
		if wait := retryAfter(header, now); wait != 0 && wait < minRetryAfter || wait > MaxRetryAfter {
			t.Fatalf("headers of %q gave %v", value, wait)
		}
	})
}
