package transport

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// minRetryAfter is the least wait that a server can ask for: a Retry-After of 0, or of a moment that has just passed, is still
// the wish to be asked again later.
const minRetryAfter = time.Second

// retryAfter returns how long the headers of an answer ask to wait, between 1 s and MaxRetryAfter; 0 where they do not ask.
// X-RateLimit-Reset counts where there is no valid Retry-After; of several values the longest does.
func retryAfter(header http.Header, now time.Time) time.Duration {
	// A date is relative to the server's clock, which need not be ours.
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	var longest time.Duration
	for _, value := range header.Values("Retry-After") {
		if wait, ok := parseRetryAfter(value, now); ok {
			longest = max(longest, wait)
		}
	}
	if longest > 0 {
		return longest
	}
	for _, value := range header.Values("X-RateLimit-Reset") {
		if seconds, ok := parseSeconds(value); ok {
			longest = max(longest, clampRetryAfter(sinceEpoch(seconds, now)))
		}
	}
	return longest
}

// parseRetryAfter parses the value of a Retry-After: seconds, with a fraction too, or an HTTP date.
func parseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, ok := parseSeconds(value); ok {
		return clampRetryAfter(seconds), true
	}
	date, err := http.ParseTime(strings.TrimSpace(value))
	if err != nil {
		return 0, false
	}
	// Seconds as floats do not overflow, whatever the year.
	return clampRetryAfter(float64(date.Unix()) - float64(now.UnixMilli())/1_000), true
}

// sinceEpoch turns an X-RateLimit-Reset into seconds from now: Segment documents it as seconds, one of Segment's own SDKs reads
// it as a moment in milliseconds since 1970. The ranges do not meet.
func sinceEpoch(value float64, now time.Time) float64 {
	moment := float64(now.UnixMilli()) / 1_000
	switch {
	case value >= 1e12:
		return value/1_000 - moment
	case value >= 1e9:
		return value - moment
	}
	return value
}

// parseSeconds parses a decimal number without a sign. ParseFloat alone would take inf, hexadecimals and exponents as well.
func parseSeconds(value string) (float64, bool) {
	value = strings.TrimSpace(value)
	digits, points := 0, 0
	for i := range len(value) {
		switch c := value[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c == '.':
			points++
		default:
			return 0, false
		}
	}
	if digits == 0 || points > 1 {
		return 0, false
	}
	// All that can fail now is the size, for which ParseFloat returns +Inf. It is clamped.
	seconds, _ := strconv.ParseFloat(value, 64)
	return seconds, true
}

func clampRetryAfter(seconds float64) time.Duration {
	seconds = max(seconds, minRetryAfter.Seconds())
	seconds = min(seconds, MaxRetryAfter.Seconds())
	return time.Duration(seconds * float64(time.Second))
}
