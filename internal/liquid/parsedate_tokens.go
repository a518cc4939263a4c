package liquid

import "github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"

type dateKind uint8

const (
	dateEnd dateKind = iota
	dateNumber
	dateSymbol // : - + . )
	dateWord
	dateSpace
	dateOther
)

type wordKind uint8

const (
	otherWord wordKind = iota
	monthWord
	halfDayWord
	zoneWord
	separatorWord // T
)

// dateToken is a piece of a date.
type dateToken struct {
	kind   dateKind
	at     int // where it starts
	length int // how many units it has
	number int // a number's value, or what a word stands for
	symbol byte
	word   wordKind
}

func (t dateToken) isSymbol(c byte) bool      { return t.kind == dateSymbol && t.symbol == c }
func (t dateToken) isSign() bool              { return t.isSymbol('+') || t.isSymbol('-') }
func (t dateToken) isDigits(n int) bool       { return t.kind == dateNumber && t.length == n }
func (t dateToken) isWord(kind wordKind) bool { return t.kind == dateWord && t.word == kind }
func (t dateToken) isZ() bool                 { return t.isWord(zoneWord) && t.length == 1 }

// milliseconds returns what the digits after a second's point are in milliseconds.
func (t dateToken) milliseconds() int {
	n := t.number
	for length := t.length; length < 3; length++ {
		n *= 10
	}
	for length := min(t.length, maxDigits); length > 3; length-- {
		n /= 10
	}
	return n
}

// maxDigits is how many digits of a number count, zeros before it aside. The others are read over.
const maxDigits = 9

// dateText is the text of a date, of which the units before p have been read.
type dateText struct {
	in []uint16
	p  int
}

// unit returns the next unit, or 0 at the end. A 0 in the text ends it as well.
func (d *dateText) unit() uint16 {
	if d.p < len(d.in) {
		return d.in[d.p]
	}
	return 0
}

func (d *dateText) next() dateToken {
	t := dateToken{at: d.p}
	u := d.unit()
	switch {
	case u == 0:
		return t
	case isDigit(u):
		t.kind, t.number = dateNumber, d.digits()
	case u == ':', u == '-', u == '+', u == '.', u == ')':
		t.kind, t.symbol = dateSymbol, byte(u)
		d.p++
	case u >= 'A' && !jsvalue.IsSpace(rune(u)):
		t.kind = dateWord
		t.word, t.number = d.letters()
	case jsvalue.IsSpace(rune(u)):
		t.kind = dateSpace
		d.p++
	default:
		t.kind = dateOther
		if u == '(' {
			d.parentheses()
		} else {
			d.p++
		}
	}
	t.length = d.p - t.at
	return t
}

func isDigit(u uint16) bool { return u >= '0' && u <= '9' }

func (d *dateText) digits() int {
	for d.unit() == '0' {
		d.p++
	}
	n := 0
	for i := 0; isDigit(d.unit()); i++ {
		if i < maxDigits {
			n = n*10 + int(d.unit()-'0')
		}
		d.p++
	}
	return n
}

// parentheses reads to where the parenthesis that begins here is closed, or to the end.
func (d *dateText) parentheses() {
	depth := 0
	for {
		switch d.unit() {
		case '(':
			depth++
		case ')':
			depth--
		case 0:
			return
		}
		d.p++
		if depth == 0 {
			return
		}
	}
}

// letters reads a word: all up to what comes before A in ASCII, or white space.
func (d *dateText) letters() (wordKind, int) {
	var prefix [3]byte
	from := d.p
	for u := d.unit(); u >= 'A' && !jsvalue.IsSpace(rune(u)); u = d.unit() {
		if i := d.p - from; i < len(prefix) {
			prefix[i] = lowered(u)
		}
		d.p++
	}
	length := d.p - from
	word := string(prefix[:min(length, len(prefix))])
	if month := monthOf(word); month > 0 {
		return monthWord, month
	}
	if length > len(prefix) {
		return otherWord, 0
	}
	return meaning(word)
}

// lowered returns a letter in lower case, and 0 for what is none.
func lowered(u uint16) byte {
	if u |= 0x20; u >= 'a' && u <= 'z' {
		return byte(u)
	}
	return 0
}

func monthOf(word string) int {
	for i, m := range [...]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"} {
		if m == word {
			return i + 1
		}
	}
	return 0
}

func meaning(word string) (wordKind, int) {
	switch word {
	case "am":
		return halfDayWord, 0
	case "pm":
		return halfDayWord, 12
	case "ut", "utc", "z", "gmt":
		return zoneWord, 0
	case "edt":
		return zoneWord, -4
	case "cdt", "est":
		return zoneWord, -5
	case "mdt", "cst":
		return zoneWord, -6
	case "pdt", "mst":
		return zoneWord, -7
	case "pst":
		return zoneWord, -8
	case "t":
		return separatorWord, 0
	}
	return otherWord, 0
}
