package liquid

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// moment is a time as a clock somewhere shows it.
type moment struct {
	ms   float64 // what the clock shows, as if it were UTC
	west float64 // how many minutes the clock is behind UTC
	zone string  // the name of its time zone, or ""
}

func (d moment) clock() time.Time { return time.UnixMilli(int64(d.ms)).UTC() }

// directive is a place in a format: %-10d.
type directive struct {
	flags string
	width string
	code  byte
}

// has tells whether the directive has a flag.
func (d directive) has(flag byte) bool { return strings.IndexByte(d.flags, flag) >= 0 }

// strftime returns d in a format. What is no directive stays as it is.
func (r *run) strftime(d moment, format string) any {
	if !r.use(len(format)) {
		return undefined
	}
	var out []byte
	for {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			return string(appendText(out, format))
		}
		out = appendText(out, format[:at])
		format = format[at:]
		const stepsPerDirective = 8
		if !r.step(stepsPerDirective) {
			return undefined
		}
		spec, size := parseDirective(format)
		text, ok := r.shown(d, spec)
		if size == 0 || !ok {
			size = max(size, 1)
			text = format[:size]
		}
		if !r.use(len(text)) {
			return undefined
		}
		out = appendText(out, text)
		format = format[size:]
	}
}

// parseDirective reads the directive that starts s. Its size is 0 if there is none.
func parseDirective(s string) (directive, int) {
	flags := 1
	for flags < len(s) && strings.IndexByte("-_0^#:", s[flags]) >= 0 {
		flags++
	}
	width := flags
	for width < len(s) && s[width] >= '0' && s[width] <= '9' {
		width++
	}
	code := width
	if code < len(s) && (s[code] == 'E' || s[code] == 'O') {
		code++
	}
	if endsLine(s[code:]) { // what was taken for a part before it is the code itself
		if code--; code == 0 {
			return directive{}, 0
		}
		width, flags = min(width, code), min(flags, code)
	}
	if s[code] >= utf8.RuneSelf {
		return directive{}, code // no code, and what comes before it is no directive either
	}
	return directive{flags: s[1:flags], width: s[flags:width], code: s[code]}, code + 1
}

// endsLine tells whether s is empty or starts with a line's end, which is no code.
func endsLine(s string) bool {
	c, _ := decode(s)
	return s == "" || c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029
}

// shown returns what a directive shows of d, and whether there is such a directive.
func (r *run) shown(d moment, spec directive) (string, bool) {
	text, width, ok := d.field(r, spec)
	if !ok {
		return "", false
	}
	if spec.has('^') {
		text = strings.ToUpper(text)
	} else if spec.has('#') {
		text = changeCase(text)
	}
	fill := "0"
	if strings.IndexByte("aAbBceklpP", spec.code) >= 0 {
		fill = " "
	}
	if spec.has('_') {
		fill = " "
	} else if spec.has('0') {
		fill = "0"
	}
	wide := float64(width)
	if n := jsvalue.ToNumber(spec.width); n > 0 {
		wide = n
	}
	if spec.has('-') {
		wide = 0
	}
	return r.padding(wide-float64(len(text)), fill) + text, true
}

// padding returns fill n times.
func (r *run) padding(n float64, fill string) string {
	if n <= 0 || !r.want(n) {
		return ""
	}
	return strings.Repeat(fill, int(n))
}

// changeCase returns text in the case it is not in.
func changeCase(text string) string {
	if strings.IndexFunc(text, func(c rune) bool { return c >= 'a' && c <= 'z' }) >= 0 {
		return strings.ToUpper(text)
	}
	return strings.ToLower(text)
}

// field returns what a directive's code stands for, and how wide that is unless the directive says otherwise.
func (d moment) field(r *run, spec directive) (text string, width int, ok bool) {
	t := d.clock()
	year := t.Year()
	number := func(n, width int) (string, int, bool) { return strconv.Itoa(n), width, true }
	word := func(s string) (string, int, bool) { return s, 0, true }
	switch spec.code {
	case 'a':
		return word(t.Weekday().String()[:3])
	case 'A':
		return word(t.Weekday().String())
	case 'b', 'h':
		return word(t.Month().String()[:3])
	case 'B':
		return word(t.Month().String())
	case 'c':
		return word(localDate(t) + ", " + localTime(t))
	case 'C':
		return word(century(year))
	case 'd', 'e':
		return number(t.Day(), 2)
	case 'H', 'k':
		return number(t.Hour(), 2)
	case 'I', 'l':
		return number(hour12(t), 2)
	case 'j':
		return number(dayOfYear(t), 3)
	case 'L':
		return number(t.Nanosecond()/1e6, 3)
	case 'm':
		return number(int(t.Month()), 2)
	case 'M':
		return number(t.Minute(), 2)
	case 'N':
		return word(d.fraction(r, spec))
	case 'p':
		return word(halfDay(t))
	case 'P':
		return word(strings.ToLower(halfDay(t)))
	case 'q':
		return word(ordinal(t.Day()))
	case 's':
		return word(string(jsvalue.AppendFloat(nil, math.Floor(d.ms/1000+0.5))))
	case 'S':
		return number(t.Second(), 2)
	case 'u':
		return number((int(t.Weekday())+6)%7+1, 0)
	case 'U':
		return number(weekOfYear(t, 0), 2)
	case 'w':
		return number(int(t.Weekday()), 0)
	case 'W':
		return number(weekOfYear(t, 1), 2)
	case 'x':
		return word(localDate(t))
	case 'X':
		return word(localTime(t))
	case 'y':
		s := strconv.Itoa(year)
		return word(s[min(2, len(s)):min(4, len(s))])
	case 'Y':
		return number(year, 0)
	case 'z':
		return word(d.offset(spec.has(':')))
	case 'Z':
		if d.zone != "" {
			return word(d.zone)
		}
		return word(d.offset(spec.has(':')))
	case 't':
		return word("\t")
	case 'n':
		return word("\n")
	case '%':
		return word("%")
	}
	return "", 0, false
}
