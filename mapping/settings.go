package mapping

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// wholeDirective names the member that holds a directive for the whole mapping; the other members are what it maps.
const wholeDirective = "__segment_internal_directive"

// copier copies a mapping, so that the caller may go on writing to it, and turns every value in it into one of jsvalue's
// types. What is too deep, too large or not JSON at all is a problem.
type copier struct {
	values   int
	problems []Problem
}

func (s *copier) copy(v any, at string, depth int) any {
	if depth > MaxDepth {
		s.problem(at, "is nested deeper than 256 levels")
		return nil
	}
	if s.values++; s.values > MaxValues {
		if s.values == MaxValues+1 {
			s.problem(at, "is one value too many: a mapping may hold 10,000")
		}
		return nil
	}
	switch x := jsvalue.Of(v).(type) {
	case map[string]any:
		if x == nil {
			return nil
		}
		out := make(map[string]any, len(x))
		for _, name := range sortedNames(x) {
			out[name] = s.copy(x[name], below(at, name), depth+1)
		}
		return out
	case []any:
		if x == nil {
			return nil
		}
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = s.copy(item, below(at, strconv.Itoa(i)), depth+1)
		}
		return out
	default:
		if jsvalue.IsUndefined(x) {
			s.problem(at, "should be a mapping directive or a JSON value but it is neither")
			return nil
		}
		return x
	}
}

func (s *copier) problem(at, reason string) {
	s.problems = append(s.problems, Problem{pointer(at), reason})
}

// unwrapWhole returns the mapping that m stands for: itself, or its directive for the whole with m's other members as that
// directive's mapping. The reason tells why there is none.
func unwrapWhole(m map[string]any) (mapping map[string]any, from origin, reason string) {
	whole, ok := m[wholeDirective]
	if !ok {
		return m, "", ""
	}
	outer, ok := whole.(map[string]any)
	if !ok {
		return nil, "", "should be an object that holds one directive but it is " + article(kindOf(whole))
	}
	if len(outer) != 1 {
		return nil, "", "should hold one directive and nothing else but it has " + strconv.Itoa(len(outer)) + " members"
	}
	for name, options := range outer {
		from = origin(below("", name))
		switch x := options.(type) {
		case []any:
			return outer, from, ""
		case map[string]any:
			x = maps.Clone(x)
			rest := maps.Clone(m)
			delete(rest, wholeDirective)
			x["mapping"] = rest
			return map[string]any{name: x}, from, ""
		default:
			reason = "should hold a directive whose value is an object but it is " + article(kindOf(options))
		}
	}
	return nil, from, reason
}

// directiveOf returns the name of m's directive, and whether m is one: every name begins with @, but for _metadata. Of several the
// first in order counts.
func directiveOf(m map[string]any) (name string, ok bool) {
	for member := range m {
		switch {
		case strings.HasPrefix(member, "@"):
			if name == "" || member < name {
				name = member
			}
		case member != "_metadata":
			return "", false
		}
	}
	return name, name != ""
}

// sortedNames returns m's names as JavaScript would order them in an object that was written in sorted order: array indexes
// first, by their number, then the others, by their bytes.
func sortedNames(m map[string]any) []string {
	names := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.SortFunc(names, func(a, b string) int {
		i, okA := arrayIndex(a)
		j, okB := arrayIndex(b)
		switch {
		case okA && okB:
			return cmp.Compare(i, j)
		case okA:
			return -1
		case okB:
			return 1
		}
		return cmp.Compare(a, b)
	})
	return names
}

// arrayIndex returns the index that name is, written as JavaScript writes one: digits without a zero in front.
func arrayIndex(name string) (int, bool) {
	if name == "" || len(name) > 10 || name[0] == '0' && name != "0" {
		return 0, false
	}
	n := int64(0)
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(name[i]-'0')
	}
	return int(n), n < min(math.MaxUint32, math.MaxInt)
}
