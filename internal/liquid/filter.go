package liquid

// filter returns what becomes of v with the arguments given, which may be any number of any type. What is wrong with them
// it tells with run.fail. It may not keep args, nor write into v or what v holds.
type filter func(r *run, v any, args []any) any

// arg returns the argument i, or undefined.
func arg(args []any, i int) any {
	if i < len(args) {
		return args[i]
	}
	return undefined
}

// argOr returns the argument i, or otherwise where it is undefined.
func argOr(args []any, i int, otherwise any) any {
	if v := arg(args, i); v != undefined {
		return v
	}
	return otherwise
}

// filterNamed returns the filter with a name, or nil if there is none: LiquidJS passes the value through then.
func filterNamed(name string) filter {
	if f, ok := filters[name]; ok {
		return f
	}
	switch name {
	case "array_to_sentence_string", "concat", "find", "find_exp", "find_index", "find_index_exp", "group_by", "group_by_exp", "has",
		"has_exp", "map", "newline_to_br", "reject", "reject_exp", "reverse", "sort", "sort_natural", "uniq", "where_exp", "type":
		return func(r *run, _ any, _ []any) any {
			r.fail("filter " + name + " is disabled")
			return undefined
		}
	}
	return nil
}

var filters = map[string]filter{
	// filter_number.go
	"abs": abs, "at_least": atLeast, "at_most": atMost, "ceil": ceil, "divided_by": dividedBy, "floor": floor, "minus": minus,
	"modulo": modulo, "plus": plus, "round": round, "times": times, "to_integer": toInteger,

	// filter_string.go
	"append": appendFilter, "capitalize": capitalize, "downcase": downcase, "normalize_whitespace": normalizeWhitespace,
	"number_of_words": numberOfWords, "prepend": prepend, "split": split, "truncate": truncate, "truncatewords": truncateWords,
	"upcase": upcase,

	// filter_replace.go
	"lstrip": lstrip, "remove": remove, "remove_first": removeFirst, "remove_last": removeLast, "replace": replace,
	"replace_first": replaceFirst, "replace_last": replaceLast, "rstrip": rstrip, "strip": strip, "strip_newlines": stripNewlines,

	// filter_array.go
	"compact": compact, "first": first, "join": join, "last": last, "pop": pop, "push": push, "sample": sample, "shift": shift,
	"size": size, "slice": slice, "sum": sum, "unshift": unshift, "where": where,

	// filter_date.go
	"date": date, "date_to_long_string": dateToLongString, "date_to_rfc822": dateToRFC822, "date_to_string": dateToString,
	"date_to_xmlschema": dateToXMLSchema,

	// filter_html.go
	"escape": escape, "escape_once": escapeOnce, "strip_html": stripHTML, "xml_escape": escape,

	// filter_url.go
	"cgi_escape": cgiEscape, "slugify": slugify, "uri_escape": uriEscape, "url_decode": urlDecode, "url_encode": urlEncode,

	// filter_encode.go
	"base64_decode": base64Decode, "base64_encode": base64Encode, "hmac_sha256": hmacSHA256, "inspect": toJSON, "json": toJSON,
	"jsonify": toJSON, "sha256": sha256Hex,

	// filter_misc.go
	"default": defaultFilter, "raw": raw,
}
