package liquid

import "time"

// unset is the value of a field that has not been read.
const unset = -1 << 31

// dayFields are the numbers read for the date, in the order in which they came.
type dayFields struct {
	numbers [3]int
	n       int
	month   int // from a month's name, else 0
	iso     bool
}

func (d *dayFields) add(n int) bool {
	if d.n == len(d.numbers) {
		return false
	}
	d.numbers[d.n] = n
	d.n++
	return true
}

// days returns the day as days since 1970. A day that its month does not have is one of the next month's.
func (d *dayFields) days() (float64, bool) {
	if d.n == 0 {
		return 0, false
	}
	for i := d.n; i < len(d.numbers); i++ {
		d.numbers[i] = 1
	}
	a, b, c := d.numbers[0], d.numbers[1], d.numbers[2]
	var year, month, day int
	switch {
	case d.month == 0 && (d.iso || !isDay(a)):
		year, month, day = a, b, c
	case d.month == 0:
		month, day, year = a, b, c
	case !isDay(a):
		year, month, day = a, d.month, b
	default:
		day, month, year = a, d.month, b
	}
	if !d.iso {
		if year >= 0 && year <= 49 {
			year += 2000
		} else if year >= 50 && year <= 99 {
			year += 1900
		}
	}
	const farYear = 1_000_000 // what lies farther is no Date in any case
	if month < 1 || month > 12 || !isDay(day) || year > farYear || year < -farYear {
		return 0, false
	}
	first := time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
	return float64(first.Unix()/86_400 + int64(day) - 1), true
}

func isDay(n int) bool { return n >= 1 && n <= 31 }

// clockFields are the numbers read for the time of day: hour, minute, second, millisecond.
type clockFields struct {
	numbers [4]int
	n       int
	half    int // 0 for AM, 12 for PM
	hasHalf bool
}

func (c *clockFields) add(n int) bool {
	if c.n == len(c.numbers) {
		return false
	}
	c.numbers[c.n] = n
	c.n++
	return true
}

// addLast adds n; the fields after it are 0.
func (c *clockFields) addLast(n int) {
	c.add(n)
	c.n = len(c.numbers)
}

// expects tells whether n can be the next field, once there is an hour.
func (c *clockFields) expects(n int) bool {
	switch c.n {
	case 1, 2:
		return n <= 59
	case 3:
		return n <= 999
	}
	return false
}

func (c *clockFields) ms() (float64, bool) {
	hour, minute, second, ms := c.numbers[0], c.numbers[1], c.numbers[2], c.numbers[3]
	if c.hasHalf {
		if hour > 12 {
			return 0, false
		}
		hour = hour%12 + c.half
	}
	if hour > 23 || minute > 59 || second > 59 || ms > 999 {
		if hour != 24 || minute != 0 || second != 0 || ms != 0 {
			return 0, false
		}
	}
	return float64(((hour*60+minute)*60+second)*1000 + ms), true
}

// zoneFields are the numbers read for the offset from UTC. The zero value is none: UTC, which is the local time as well.
type zoneFields struct {
	negative, isSet, hasHour bool
	hour, minute             int
}

// set sets the offset to whole hours.
func (z *zoneFields) set(hours int) {
	z.negative, z.isSet, z.hasHour = hours < 0, true, true
	z.hour, z.minute = max(hours, -hours), 0
}

func (z *zoneFields) sign(t dateToken) {
	z.negative, z.isSet, z.hasHour = t.symbol == '-', true, true
}

func (z *zoneFields) isUTC() bool { return z.hasHour && z.hour == 0 && z.minute == 0 }

// expects tells whether n can be the minutes after hours and a colon.
func (z *zoneFields) expects(n int) bool { return z.hasHour && z.minute == unset && n <= 59 }

func (z *zoneFields) ms() float64 {
	if !z.isSet {
		return 0
	}
	minute := z.minute
	if minute == unset {
		minute = 0
	}
	ms := float64(z.hour*60+minute) * 60_000
	if z.negative {
		return -ms
	}
	return ms
}
