package liquid

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// fraction returns the milliseconds as a fraction of a second of as many digits as the directive's width says (9).
func (d moment) fraction(r *run, spec directive) string {
	ms := strconv.Itoa(d.clock().Nanosecond() / 1e6)
	ms = strings.Repeat("0", 3-len(ms)) + ms
	width := 9.0
	if n := jsvalue.ToNumber(spec.width); n > 0 {
		width = n
	}
	if width < 3 {
		return ms[:int(width)]
	}
	return ms + r.padding(width-3, "0")
}

// offset returns how far the clock is from UTC: +0200.
func (d moment) offset(colon bool) string {
	sign := "+"
	if d.west > 0 {
		sign = "-"
	}
	minutes := math.Abs(d.west)
	two := func(f float64) string {
		s := string(jsvalue.AppendFloat(nil, f))
		if len(s) < 2 {
			return "0" + s
		}
		return s
	}
	if colon {
		sign += two(math.Floor(minutes/60)) + ":"
	} else {
		sign += two(math.Floor(minutes / 60))
	}
	return sign + two(math.Mod(minutes, 60))
}

// localDate returns a date as it is written in the United States, without the era.
func localDate(t time.Time) string {
	year := t.Year()
	if year <= 0 {
		year = 1 - year
	}
	return strconv.Itoa(int(t.Month())) + "/" + strconv.Itoa(t.Day()) + "/" + strconv.Itoa(year)
}

func localTime(t time.Time) string {
	return strconv.Itoa(hour12(t)) + t.Format(":04:05 PM")
}

func hour12(t time.Time) int { return (t.Hour()+11)%12 + 1 }

func halfDay(t time.Time) string { return t.Format("PM") }

func ordinal(day int) string {
	if day >= 11 && day <= 13 {
		return "th"
	}
	switch day % 10 {
	case 1:
		return "st"
	case 2:
		return "nd"
	case 3:
		return "rd"
	}
	return "th"
}

// century returns the first two digits of the year, which may be all it has.
func century(year int) string {
	s := strconv.Itoa(year)
	n, _ := strconv.Atoi(s[:min(2, len(s))])
	return strconv.Itoa(n)
}

// dayOfYear counts from 1. LiquidJS has no 29th of February in the year 0.
func dayOfYear(t time.Time) int {
	day := t.YearDay()
	if t.Year() == 0 && t.Month() > time.February {
		day--
	}
	return day
}

// weekOfYear counts the weeks that begin with a weekday; the days before the first are in week 0.
func weekOfYear(t time.Time, begin int) int {
	year := t.Year()
	if year >= 0 && year < 100 {
		year += 1900 // as JavaScript's Date takes a year of two digits
	}
	now := dayOfYear(t) + begin - int(t.Weekday())
	then := 7 - int(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Weekday()) + begin
	return int(math.Floor(float64(now-then)/7)) + 1
}
