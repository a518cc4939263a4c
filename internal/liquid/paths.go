package liquid

import (
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsvalue"
)

// pathFinder collects the paths of the record that a template reads.
type pathFinder struct {
	found []string
	// assigned are the names that have been assigned for certain, that is not within an if or unless: they hide the
	// record's members from then on.
	assigned map[string]bool
	branches int // how many ifs and unlesses lie around
}

func pathsOf(b block) []string {
	f := &pathFinder{assigned: make(map[string]bool)}
	f.block(b)
	slices.Sort(f.found)
	return slices.Compact(f.found)
}

func (f *pathFinder) block(b block) {
	for _, n := range b {
		f.node(n.node)
	}
}

func (f *pathFinder) node(n node) {
	switch n := n.(type) {
	case *output:
		f.chain(n.value)
	case group:
		f.block(block(n))
	case *assignment:
		f.chain(n.value)
		f.assign(n.name)
	case *capture:
		f.block(n.body)
		f.assign(n.name)
	case *counter:
		f.path(&path{keys: []operand{literal{n.name}}})
	case *cycle:
		f.operand(n.group)
		for _, c := range n.candidates {
			f.operand(c)
		}
	case *conditional:
		for i, b := range n.branches {
			if i == 1 {
				f.branches++ // the first condition is always read
			}
			f.chain(b.condition)
			f.branch(b.body)
			if i > 0 && i == len(n.branches)-1 {
				f.branches--
			}
		}
		f.branch(n.otherwise)
	}
}

func (f *pathFinder) branch(b block) {
	f.branches++
	f.block(b)
	f.branches--
}

func (f *pathFinder) assign(name string) {
	if f.branches == 0 {
		f.assigned[name] = true
	}
}

func (f *pathFinder) chain(c *chain) {
	for _, t := range c.expression {
		f.operand(t.operand)
	}
	for _, call := range c.filters {
		for _, a := range call.args {
			f.operand(a.value)
		}
	}
}

func (f *pathFinder) operand(o operand) {
	switch o := o.(type) {
	case *span:
		f.operand(o.low)
		f.operand(o.high)
	case *path:
		f.path(o)
	}
}

func (f *pathFinder) path(p *path) {
	for _, key := range p.keys {
		f.operand(key)
	}
	if p.base != nil {
		f.operand(p.base)
		return
	}
	var text []byte
	for i, key := range p.keys {
		lit, ok := key.(literal)
		if !ok || isDrop(lit.value) {
			break
		}
		name := jsvalue.String(lit.value)
		if i == 0 && f.assigned[name] {
			return
		}
		text = appendKey(text, name)
	}
	if len(text) > 0 {
		f.found = append(f.found, whole(string(text)))
	}
}

// appendKey appends a member's name to a path as @path writes it.
func appendKey(path []byte, name string) []byte {
	switch {
	case len(path) > 0 && arrayIndex(name) >= 0:
		return append(strconv.AppendInt(append(path, '['), int64(arrayIndex(name)), 10), ']')
	case name == "" || strings.ContainsAny(name, ".[]'\" "):
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name)
		return append(append(append(path, "['"...), quoted...), "']"...)
	case len(path) > 0:
		path = append(path, '.')
	}
	return append(path, name...)
}
