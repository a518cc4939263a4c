package liquid

// loose reads what is no ISO date, from where iso stopped.
func (p *dateParser) loose() bool {
	hasNumber := p.day.n > 0
	for p.tok.kind != dateEnd {
		t := p.take()
		switch {
		case t.kind == dateNumber:
			hasNumber = true
			if !p.looseNumber(t.number) {
				return false
			}
		case t.kind == dateWord:
			if !p.looseWord(t, hasNumber) {
				return false
			}
		case t.isSign() && (p.zone.isUTC() || p.clock.n > 0):
			hasNumber = true
			if !p.looseOffset(t) {
				return false
			}
		case (t.isSign() || t.isSymbol(')')) && hasNumber:
			return false // a second offset, or a parenthesis that was not opened
		}
	}
	return true
}

func (p *dateParser) looseNumber(n int) bool {
	switch {
	case p.skip(':'):
		if p.skip(':') { // 12:: is 12:00:
			if p.clock.n > 0 {
				return false
			}
			p.clock.add(n)
			p.clock.add(0)
			return true
		}
		if !p.clock.add(n) {
			return false
		}
		p.skip('.')
		return true
	case p.skip('.') && p.clock.expects(n):
		p.clock.add(n)
		if p.tok.kind != dateNumber {
			return false
		}
		p.clock.addLast(p.take().milliseconds())
		return true
	case p.zone.expects(n):
		p.zone.minute = n
		return true
	case p.clock.expects(n):
		p.clock.addLast(n)
		return p.tok.kind == dateEnd || p.tok.kind == dateSpace || p.tok.isZ() || p.tok.isSign()
	}
	if !p.day.add(n) {
		return false
	}
	p.skip('-')
	return true
}

func (p *dateParser) looseWord(t dateToken, hasNumber bool) bool {
	switch {
	case t.word == halfDayWord && p.clock.n > 0:
		p.clock.half, p.clock.hasHalf = t.number, true
	case t.word == monthWord:
		p.day.month = t.number
		p.skip('-')
	case t.word == zoneWord && hasNumber:
		p.zone.set(t.number)
	default:
		// Any other word means nothing, but it may not follow a number, nor touch one.
		return !hasNumber && p.tok.kind != dateNumber
	}
	return true
}

// looseOffset reads the digits after a sign: hours, hours and minutes, or hours before a colon.
func (p *dateParser) looseOffset(sign dateToken) bool {
	p.zone.sign(sign)
	n, length := 0, 0
	if p.tok.kind == dateNumber {
		t := p.take()
		n, length = t.number, t.length
	}
	switch {
	case p.tok.isSymbol(':'):
		p.zone.hour, p.zone.minute = n, unset
	case length == 1, length == 2:
		p.zone.hour, p.zone.minute = n, 0
	case length == 3, length == 4:
		p.zone.hour, p.zone.minute = n/100, n%100
	default:
		return false
	}
	return true
}
