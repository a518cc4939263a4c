package liquid

// class is what a UTF-16 unit may be part of in a template, as a set of the following.
type class uint8

const (
	wordUnit class = 1 << iota // part of a name
	blankUnit
	quoteUnit
	digitUnit
	signUnit
	punctUnit // typographic quotes: no part of a name, and nothing else either
)

func classOf(u uint16) class {
	switch {
	case u >= 'a' && u <= 'z', u >= 'A' && u <= 'Z', u == '_', u == '?':
		return wordUnit
	case u >= '0' && u <= '9':
		return wordUnit | digitUnit
	case u == '-':
		return wordUnit | signUnit
	case u == '+':
		return signUnit
	case u == ' ', u >= '\t' && u <= '\r':
		return blankUnit
	case u == '"', u == '\'':
		return quoteUnit
	case u < 0x80:
		return 0
	}
	switch u {
	case 0xa0, 0x1680, 0x180e, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000:
		return blankUnit
	case 0x201c, 0x201d:
		return punctUnit
	}
	if u >= 0x2000 && u <= 0x200a {
		return blankUnit
	}
	return wordUnit
}
