package liquid

import (
	"math"
	"strings"
	"time"
)

// longFormat is the format of a date without one.
const longFormat = "%A, %B %-e, %Y at %-l:%M %P %z"

// date returns v, a time in one of many forms, as the format says, in the zone of the second argument: the name of a zone, or
// minutes west of UTC. What is no time comes back as it is.
func date(r *run, v any, args []any) any {
	format := longFormat
	if a := toValue(arg(args, 0)); !isNil(a) {
		format = r.text(a)
	}
	return r.formatted(v, arg(args, 1), format)
}

func dateToXMLSchema(r *run, v any, _ []any) any {
	return r.formatted(v, undefined, "%Y-%m-%dT%H:%M:%S%:z")
}

func dateToRFC822(r *run, v any, _ []any) any {
	return r.formatted(v, undefined, "%a, %d %b %Y %H:%M:%S %z")
}

func dateToString(r *run, v any, args []any) any     { return r.plainDate(v, args, "%b") }
func dateToLongString(r *run, v any, args []any) any { return r.plainDate(v, args, "%B") }

// plainDate returns 02 Jan 2024, or with "ordinal" 2nd Jan 2024, and with "US" as well Jan 2nd, 2024.
func (r *run) plainDate(v any, args []any, month string) any {
	format := "%d " + month + " %Y"
	if arg(args, 0) == "ordinal" {
		format = "%-d%q " + month + " %Y"
		if arg(args, 1) == "US" {
			format = month + " %-d%q, %Y"
		}
	}
	return r.formatted(v, undefined, format)
}

func (r *run) formatted(v, zone any, format string) any {
	if !r.want(r.number(r.add(r.lengthOf(v), r.lengthOf(zone)))) {
		return undefined
	}
	ms := r.instant(v)
	if math.IsNaN(ms) {
		return v
	}
	d, ok := r.inZone(ms, zone)
	if !ok {
		return v
	}
	return r.strftime(d, format)
}

// lengthOf returns what v has for its length, or 0. It is taken for memory, even if v is an object that calls something else so.
func (r *run) lengthOf(v any) any {
	if n := r.own(v, "length"); !isNil(n) {
		return n
	}
	return 0.0
}

// maxInstant is the last instant that a JavaScript Date can hold, in ms since 1970; the first is as far the other way.
const maxInstant = 8.64e15

// instant returns the time v in ms since 1970: a number or digits are seconds, text is what parseDate reads. It is NaN for what is no time.
func (r *run) instant(v any) float64 {
	v = toValue(v)
	if isNil(v) {
		return math.NaN()
	}
	if isNumber(v) {
		return clip(r.number(v) * 1000)
	}
	s, isText := v.(string)
	if isText {
		switch {
		case s == "now", s == "today":
			return float64(time.Now().UnixMilli())
		case s != "" && strings.Trim(s, "0123456789") == "":
			return clip(r.number(s) * 1000)
		}
	} else {
		scalar := r.scalar(v)
		if s, isText = scalar.(string); !isText {
			return clip(r.number(scalar))
		}
	}
	if !r.use(2 * len(s)) {
		return math.NaN()
	}
	return clip(parseDate(s))
}

// clip cuts ms to an integer; it is NaN outside what a Date can hold.
func clip(ms float64) float64 {
	if !(math.Abs(ms) <= maxInstant) {
		return math.NaN()
	}
	return math.Trunc(ms) + 0
}

// inZone returns the instant as it is read off a clock in a zone.
func (r *run) inZone(ms float64, zone any) (moment, bool) {
	d := moment{ms: ms, zone: "UTC"}
	switch x := zone.(type) {
	case string:
		loc := zoneNamed(x)
		if loc == nil {
			r.fail("filter date takes the name of a time zone")
			return d, false
		}
		_, seconds := time.UnixMilli(int64(ms)).In(loc).Zone()
		d.west, d.zone = -float64(seconds)/60, x
	default:
		if zone != undefined && zone != nil {
			d.west, d.zone = r.number(zone), ""
		}
	}
	d.ms = clip(d.ms - d.west*60_000)
	return d, !math.IsNaN(d.ms)
}

// zoneNamed returns the time zone with a name, in whatever case it is written, as far as that can be told, or nil.
func zoneNamed(name string) *time.Location {
	if name == "" || name == "Local" { // to package time, names of UTC and of the machine's zone
		return nil
	}
	for _, spelling := range [...]string{name, strings.ToUpper(name), titled(name)} {
		if loc, err := time.LoadLocation(spelling); err == nil {
			return loc
		}
	}
	return nil
}

// titled returns the name of a place with each of its words in title case: America/New_York.
func titled(name string) string {
	b := []byte(strings.ToLower(name))
	for i := range b {
		if (i == 0 || b[i-1] == '/' || b[i-1] == '_' || b[i-1] == '-') && b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}
