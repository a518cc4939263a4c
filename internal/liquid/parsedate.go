package liquid

import "math"

// parseDate returns the time that s tells, in ms since 1970, as V8's Date.parse does, with UTC as the local time zone; NaN if
// it tells none.
//
// V8 reads ISO 8601 first (2024-01-02T03:04:05.678Z). What does not begin so, or goes on in another way after the date, it
// reads by a looser rule: numbers before a colon are of the time of day, other numbers of the date, month names count by
// their first three letters, AM, PM, Z, UTC, GMT and the American zones have their meaning, text in parentheses
// and words before the first number have none.
func parseDate(s string) float64 {
	p := &dateParser{text: dateText{in: toUnits(s)}}
	p.advance()
	iso, ok := p.iso()
	if !ok || !iso && !p.loose() {
		return math.NaN()
	}
	day, ok := p.day.days()
	if !ok {
		return math.NaN()
	}
	ms, ok := p.clock.ms()
	if !ok {
		return math.NaN()
	}
	return day*86_400_000 + ms - p.zone.ms()
}

// dateParser reads a date token by token. tok is the next one, which has not been taken yet.
type dateParser struct {
	text  dateText
	tok   dateToken
	day   dayFields
	clock clockFields
	zone  zoneFields
}

func (p *dateParser) advance() { p.tok = p.text.next() }

// take returns the next token and goes on.
func (p *dateParser) take() dateToken {
	t := p.tok
	p.advance()
	return t
}

// skip takes the next token if it is the symbol c.
func (p *dateParser) skip(c byte) bool {
	if p.tok.isSymbol(c) {
		p.advance()
		return true
	}
	return false
}

// iso reads an ISO date and time, or as much of one as there is. It is done if that was all. It is not ok if what follows the T of
// an ISO date is no time; nothing else may stand there.
func (p *dateParser) iso() (done, ok bool) {
	if !p.isoDate() {
		return false, true
	}
	if !p.tok.isWord(separatorWord) {
		if p.tok.kind != dateEnd {
			return false, true
		}
		p.day.iso = true
		return true, true
	}
	p.advance()
	if !p.isoTime() || p.tok.kind != dateEnd {
		return false, false
	}
	p.day.iso = true
	return true, true
}

// isoDate reads yyyy-mm-dd, of which the last parts may be missing, or the same with a sign and six digits for the year. If
// it is not all of that, the token that fits no more is left to be read.
func (p *dateParser) isoDate() bool {
	if p.tok.isSign() {
		sign := p.tok
		after := p.text
		p.advance()
		if !p.tok.isDigits(6) || sign.symbol == '-' && p.tok.number == 0 {
			// The sign counts as not read; a year of zero after it as read.
			if p.tok.isDigits(6) {
				p.advance()
				after = p.text
				after.p = p.tok.at
			}
			p.text, p.tok = after, sign
			return false
		}
		year := p.take().number
		if sign.symbol == '-' {
			year = -year
		}
		p.day.add(year)
	} else if p.tok.isDigits(4) {
		p.day.add(p.take().number)
	} else {
		return false
	}
	for _, last := range [...]int{12, 31} {
		if !p.skip('-') {
			return true
		}
		if !p.tok.isDigits(2) || p.tok.number < 1 || p.tok.number > last {
			return false
		}
		p.day.add(p.take().number)
	}
	return true
}

// isoTime reads hh:mm, hh:mm:ss or hh:mm:ss.fff, and Z or an offset.
func (p *dateParser) isoTime() bool {
	hour, ok := p.two(24)
	if !ok || !p.skip(':') {
		return false
	}
	most := 59
	if hour == 24 { // midnight at the end of the day
		most = 0
	}
	p.clock.add(hour)
	minute, ok := p.two(most)
	if !ok {
		return false
	}
	p.clock.add(minute)
	if p.skip(':') {
		second, ok := p.two(most)
		if !ok {
			return false
		}
		p.clock.add(second)
		if p.skip('.') {
			if p.tok.kind != dateNumber || hour == 24 && p.tok.number > 0 {
				return false
			}
			p.clock.add(p.take().milliseconds())
		}
	}
	return p.isoZone()
}

// two reads a number of two digits up to most.
func (p *dateParser) two(most int) (int, bool) {
	if !p.tok.isDigits(2) || p.tok.number > most {
		return 0, false
	}
	return p.take().number, true
}

func (p *dateParser) isoZone() bool {
	switch {
	case p.tok.isZ():
		p.advance()
		p.zone.set(0)
	case p.tok.isSign():
		p.zone.sign(p.take())
		if p.tok.isDigits(4) {
			n := p.take().number
			p.zone.hour, p.zone.minute = n/100, n%100
			return p.zone.hour <= 23 && p.zone.minute <= 59
		}
		hour, ok := p.two(23)
		if !ok || !p.skip(':') {
			return false
		}
		minute, ok := p.two(59)
		p.zone.hour, p.zone.minute = hour, minute
		return ok
	}
	return true
}
