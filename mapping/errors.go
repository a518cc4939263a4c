package mapping

import (
	"strconv"
	"strings"
)

// A Problem is one thing that is wrong with a mapping.
type Problem struct {
	// Path leads to the value that is at fault, as a JSON pointer into the mapping: /traits/email/@case/value. The mapping
	// itself is "/".
	Path string
	// Reason completes the sentence that the path begins: "should be a string but it is a number".
	Reason string
}

func (p Problem) String() string { return p.Path + " " + p.Reason }

// CompileError tells why a mapping cannot be used. It comes from Compile alone.
type CompileError struct {
	// Problems holds every problem that was found, at least one, in the order of the mapping's sorted names.
	Problems []Problem
}

// maxTold bounds the problems that an error's text spells out.
const maxTold = 10

// Error spells the first ten problems out and counts the others.
func (e *CompileError) Error() string {
	var b strings.Builder
	b.WriteString("mapping: ")
	for i, p := range e.Problems {
		if i == maxTold {
			b.WriteString("; and " + strconv.Itoa(len(e.Problems)-maxTold) + " more")
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// ResolveError tells why a record cannot be mapped: what one directive was given does not suit it, or a limit was met. It comes from
// Resolve alone.
type ResolveError struct {
	// Path leads to the directive, as in a Problem: /traits/email/@case.
	Path string
	// Directive is its name with the @, or empty when the mapping as a whole is at fault.
	Directive string
	// Reason completes the sentence "the directive ...". It holds no value of the record.
	Reason string
}

func (e *ResolveError) Error() string { return "mapping: " + e.Path + " " + e.Reason }

// place is where a directive stands in its mapping.
type place struct {
	path, directive string
}

func (p place) fail(reason string) error {
	return &ResolveError{Path: p.path, Directive: p.directive, Reason: reason}
}

// below returns the pointer to a member of what at points to.
func below(at, name string) string {
	if strings.ContainsAny(name, "~/") {
		name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return at + "/" + name
}

// pointer returns at, or "/" for the mapping itself.
func pointer(at string) string {
	if at == "" {
		return "/"
	}
	return at
}

// origin turns pointers into what a mapping was made of back into pointers into what the caller wrote. The zero value is for a
// mapping without a directive for the whole; otherwise it is that directive's own pointer.
type origin string

func (o origin) pointer(at string) string {
	if o == "" {
		return pointer(at)
	}
	inner := string(o) + "/mapping"
	if rest, ok := strings.CutPrefix(at, inner); ok && (rest == "" || rest[0] == '/') {
		return pointer(rest)
	}
	return "/" + wholeDirective + at
}
