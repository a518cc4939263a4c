package mapping

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// checker finds everything that is wrong with a mapping before its first record. It looks where Segment's own check looks:
// not into arrays, nor into the objects that @literal and @excludeWhenNull hold.
type checker struct {
	origin   origin
	problems []Problem
}

func (c *checker) problem(at, reason string) {
	c.problems = append(c.problems, Problem{c.origin.pointer(at), reason})
}

func (c *checker) mapping(v any, at string) {
	m, ok := v.(map[string]any)
	switch {
	case !ok:
	case kindOf(m) == "directive":
		c.directive(m, at)
	default:
		c.members(m, at)
	}
}

func (c *checker) members(m map[string]any, at string) {
	for _, name := range sortedNames(m) {
		c.mapping(m[name], below(at, name))
	}
}

func (c *checker) directive(m map[string]any, at string) {
	var names []string
	others := 0
	for name := range m {
		if strings.HasPrefix(name, "@") {
			names = append(names, name)
		} else if name != "_metadata" {
			others++
		}
	}
	slices.Sort(names)
	switch {
	case len(names) > 1:
		c.problem(at, "should have one directive but it has "+strconv.Itoa(len(names))+": "+strings.Join(names, ", "))
	case others > 0:
		c.problem(at, "should hold nothing beside its directive "+names[0]+" but it has other members")
	default:
		c.options(names[0], m[names[0]], at)
	}
}

// options checks what a directive is given.
func (c *checker) options(name string, v any, parent string) {
	at := below(parent, name)
	switch name {
	case "@path", "@template":
		c.directiveOrString(v, at)
	case "@literal", "@excludeWhenNull":
		if kindOf(v) == "directive" {
			c.mapping(v, at)
		}
	case "@liquid":
		c.kind(v, at, "string")
	case "@arrayPath":
		c.arrayPath(v, at)
	case "@if":
		c.object(v, at)
	case "@case":
		if o, ok := c.object(v, at); ok {
			c.member(o, at, "operator", "string")
			c.member(o, at, "value", "directive", "string")
		}
	case "@replace":
		if o, ok := c.object(v, at); ok {
			c.replace(o, at)
		}
	case "@flatten":
		if o, ok := c.object(v, at); ok {
			c.member(o, at, "separator", "string")
			c.required(o, at, "value")
		}
	case "@json":
		if o, ok := c.object(v, at); ok {
			c.required(o, at, "value")
			if c.required(o, at, "mode") {
				c.word(o, at, "mode", "encode", "decode")
			}
		}
	case "@merge":
		if o, ok := c.object(v, at); ok {
			c.word(o, at, "direction", "left", "right")
			if c.required(o, at, "objects") && c.member(o, at, "objects", "array") {
				c.mergeItems(o["objects"].([]any), below(at, "objects"))
			}
		}
	case "@transform":
		if o, ok := c.object(v, at); ok {
			for _, name := range []string{"apply", "mapping"} {
				if c.required(o, at, name) {
					c.member(o, at, name, "directive", "object")
				}
			}
		}
	default:
		c.problem(parent, "has an unknown directive "+name)
	}
}

// object checks that v is an object of options, none of them named like a directive, and each option as a mapping of its own.
func (c *checker) object(v any, at string) (map[string]any, bool) {
	if !c.kind(v, at, "object") {
		return nil, false
	}
	m := v.(map[string]any)
	c.members(m, at)
	return m, true
}

func (c *checker) arrayPath(v any, at string) {
	if !c.kind(v, at, "array") {
		return
	}
	a := v.([]any)
	if len(a) == 0 {
		c.problem(at, "should have a path as its first item but it has none")
		return
	}
	c.directiveOrString(a[0], below(at, "0"))
	if len(a) > 1 {
		c.mapping(a[1], below(at, "1"))
	}
}

func (c *checker) replace(o map[string]any, at string) {
	if c.required(o, at, "pattern") && c.member(o, at, "pattern", "string") {
		if n := units(o["pattern"].(string)); n < 1 || n > MaxPattern {
			c.problem(below(at, "pattern"), "should have 1 to 10 UTF-16 units but it has "+strconv.Itoa(n))
		}
	}
	if replacement, ok := o["replacement"]; ok && c.member(o, at, "replacement", "string") {
		if n := units(replacement.(string)); n > MaxPattern {
			c.problem(below(at, "replacement"), "should have at most 10 UTF-16 units but it has "+strconv.Itoa(n))
		}
	}
	if c.required(o, at, "value") {
		c.member(o, at, "value", "directive", "string")
	}
	c.member(o, at, "ignorecase", "boolean")
	c.member(o, at, "global", "boolean")
}

func (c *checker) mergeItems(items []any, at string) {
	for i, item := range items {
		at := below(at, strconv.Itoa(i))
		if c.kind(item, at, "directive", "object") {
			c.mapping(item, at)
		}
	}
}

func (c *checker) directiveOrString(v any, at string) {
	if c.kind(v, at, "directive", "string") {
		c.mapping(v, at)
	}
}

// required tells whether o has a member.
func (c *checker) required(o map[string]any, at, name string) bool {
	_, ok := o[name]
	if !ok {
		c.problem(at, "should have the member "+name+" but it has not")
	}
	return ok
}

// member checks the kind of a member that may be missing.
func (c *checker) member(o map[string]any, at, name string, kinds ...string) bool {
	v, ok := o[name]
	return !ok || c.kind(v, below(at, name), kinds...)
}

// word checks a member that may be missing and takes only some words, in any case.
func (c *checker) word(o map[string]any, at, name string, allowed ...string) {
	if _, ok := o[name]; !ok || !c.member(o, at, name, "string") {
		return
	}
	if !slices.Contains(allowed, strings.ToLower(o[name].(string))) {
		c.problem(below(at, name), "should be "+strings.Join(allowed, " or ")+" but it is another word")
	}
}

func (c *checker) kind(v any, at string, kinds ...string) bool {
	kind := kindOf(v)
	if slices.Contains(kinds, kind) {
		return true
	}
	wanted := make([]string, len(kinds))
	for i, k := range kinds {
		wanted[i] = article(k)
	}
	c.problem(at, "should be "+strings.Join(wanted, " or ")+" but it is "+article(kind))
	return false
}

// kindOf names what v is: JSON's kinds, and directive for an object with any name that begins with @.
func kindOf(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		for name := range x {
			if strings.HasPrefix(name, "@") {
				return "directive"
			}
		}
		return "object"
	}
	if jsvalue.IsUndefined(v) {
		return "undefined"
	}
	return "number"
}

// article puts a or an before a kind that takes one.
func article(kind string) string {
	first, _ := utf8.DecodeRuneInString(kind)
	switch {
	case kind == "null" || kind == "undefined":
		return kind
	case strings.ContainsRune("aeiou", first):
		return "an " + kind
	}
	return "a " + kind
}
