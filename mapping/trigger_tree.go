package mapping

type triggerKind uint8

const (
	triggerEmpty    triggerKind = iota // a level without a condition: fails when it is reached
	triggerFails                       // a path without a name: fails when it is reached
	triggerAnd                         // all of children
	triggerOr                          // any of children
	triggerCompares                    // condition
)

// triggerNode is a condition, or a level of them. Levels do not nest deeper than two, since groups do not.
type triggerNode struct {
	kind      triggerKind
	offset    int // in the trigger's text, in bytes
	children  []triggerNode
	condition triggerCondition
}

// triggerResult is what a node gives. Segment fails at some nodes that its parser makes; a trigger that gets there does not
// match, whatever follows.
type triggerResult uint8

const (
	triggerNo triggerResult = iota
	triggerYes
	triggerFailed
)

func (n *triggerNode) eval(record map[string]any) triggerResult {
	switch n.kind {
	case triggerCompares:
		if n.condition.holds(n.condition.value(record)) {
			return triggerYes
		}
		return triggerNo
	case triggerAnd, triggerOr:
		last := triggerYes // what all the children give where none of them decides
		if n.kind == triggerOr {
			last = triggerNo
		}
		for i := range n.children {
			if result := n.children[i].eval(record); result != last {
				return result
			}
		}
		return last
	}
	return triggerFailed
}

// paths returns the paths of all conditions, each once.
func (n *triggerNode) paths() []string {
	var paths []string
	seen := make(map[string]bool)
	var visit func(n *triggerNode)
	visit = func(n *triggerNode) {
		if n.kind == triggerCompares {
			if path := n.condition.pathText(); !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
		}
		for i := range n.children {
			visit(&n.children[i])
		}
	}
	visit(n)
	return paths
}
