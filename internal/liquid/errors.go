package liquid

import "strconv"

// Error tells why a template cannot be parsed or rendered.
type Error struct {
	// Line and Col say where in the template, both from 1, Col in UTF-16 units. For an error in rendering it is the
	// start of the tag or output that was being rendered.
	Line, Col int
	// Reason is what is wrong. It may name a tag or a filter; it never holds a value of the record.
	Reason string
}

func (e *Error) Error() string {
	return e.Reason + ", line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Col)
}

// errorAt returns the error for reason at the unit of src with index at.
func errorAt(src []uint16, at int, reason string) *Error {
	line, col := 1, 1
	for _, u := range src[:min(at, len(src))] {
		col++
		if u == '\n' {
			line, col = line+1, 1
		}
	}
	return &Error{Line: line, Col: col, Reason: reason}
}
