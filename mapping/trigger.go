package mapping

import (
	"slices"
	"strconv"
)

// MaxTriggerLength is the length of the longest trigger that compiles, in bytes.
const MaxTriggerLength = 100_000

// Trigger is the condition under which a mapping runs, such as
//
//	type = "track" and event = "Order Completed"
//
// in the subset of FQL that saved mappings are written in. A trigger compares paths with values:
//
//   - The paths are type, event, name, userId, and whatever lies in properties, traits and context: traits.address.city.
//   - = and != compare with a text exactly and with its type ("42" is not 42), with a number only numbers, with true and
//     false only booleans. = null means missing or null, != null present. != a text is also true of what is no text; != a
//     number needs a number.
//   - <, <=, > and >= match numbers only.
//   - contains(path, "x"), match(path, "x*") for how a text begins and match(path, "*x") for how it ends match texts
//     only, and so do their opposites, with a ! in front.
//   - type, event and, with numbers, name and userId are compared as texts: event = 5 matches "5" and not 5.
//   - and, or and parentheses. In one level without parentheses the last of the two that was written decides for the whole
//     level. Groups do not nest: a group ends at the first closing parenthesis, be it that of a function in the group.
//
// Segment runs whatever else its parser lets through, in its own way, and so does a Trigger: saved mappings were tried out
// against that. Warnings tells where a trigger may not mean what it says.
//
// A Trigger is made by CompileTrigger and does not change: it may be used from any number of goroutines. The zero value
// matches nothing.
type Trigger struct {
	text     string
	root     triggerNode
	paths    []string
	warnings []Warning
}

// TriggerError tells why a trigger cannot be parsed. Segment lets such a trigger match nothing.
type TriggerError struct {
	// Offset is where in the text the trigger goes wrong, in bytes.
	Offset int
	// Reason says what is wrong there. It repeats nothing of the trigger.
	Reason string
}

func (e *TriggerError) Error() string {
	return "trigger: at offset " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// CompileTrigger parses a trigger. The error is a *TriggerError: for text that Segment's parser refuses, and so for the empty
// trigger, and for text longer than MaxTriggerLength.
func CompileTrigger(text string) (*Trigger, error) {
	if len(text) > MaxTriggerLength {
		return nil, &TriggerError{MaxTriggerLength, "a trigger has at most " + strconv.Itoa(MaxTriggerLength) + " bytes"}
	}
	tokens, err := lexTrigger(text)
	if err != nil {
		return nil, err
	}
	var p triggerParser
	root, err := p.level(tokens)
	if err != nil {
		return nil, err
	}
	if root.kind == triggerEmpty {
		return nil, &TriggerError{0, "there is no condition"}
	}
	slices.SortStableFunc(p.warnings, func(a, b Warning) int { return a.Offset - b.Offset })
	return &Trigger{text, root, root.paths(), p.warnings}, nil
}

// Match tells whether a record meets the trigger. It reads the record's members type, event, name, userId, properties, traits
// and context, as far as the trigger names them, and writes nothing. It does not allocate for values as decoded from JSON.
func (t *Trigger) Match(record map[string]any) bool {
	return t.root.eval(record) == triggerYes
}

// String returns the trigger as it was written.
func (t *Trigger) String() string { return t.text }

// Paths returns the paths that the trigger reads, such as "type" and "traits.plan", each once, in the order in which they
// first come up. The slice is the caller's.
func (t *Trigger) Paths() []string { return append([]string(nil), t.paths...) }
