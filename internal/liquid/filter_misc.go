package liquid

func raw(_ *run, v any, _ []any) any { return v }

// defaultFilter returns the argument in the place of what is empty, null or false. With allow_false: true, false stays.
func defaultFilter(r *run, v any, args []any) any {
	v = toValue(v)
	otherwise := arg(args, 0)
	switch x := v.(type) {
	case []any:
		if len(x) > 0 {
			return v
		}
		return otherwise
	case string:
		if x != "" {
			return v
		}
		return otherwise
	case bool:
		if !x && len(args) > 1 && r.option(args[1:], "allow_false") {
			return false
		}
	}
	if isFalse(v) {
		return otherwise
	}
	return v
}

// option tells whether the last argument with a name is true. Every argument has to be a pair: one with a name, an array or an object.
func (r *run) option(args []any, name string) bool {
	on := false
	for _, a := range args {
		switch a.(type) {
		case drop, []any, map[string]any:
			if r.own(a, "0") == name {
				on = truthy(r.own(a, "1"))
			}
		default:
			r.fail("an argument of filter default has no name")
		}
	}
	return on
}
