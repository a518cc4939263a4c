// Package mapping runs the mappings and triggers that are saved in Segment: it decides which records a mapping takes, and
// turns a record into the fields of an action.
//
// A mapping is JSON in which raw values and directives are mixed: {"userId": {"@path": "$.traits.id"}, "plan": "pro"}. Compile
// checks it whole and makes a Mapping of it, which resolves any number of records. Behaviour is that of Segment's own
// engine, JavaScript's rules for values included, so that what was written there runs here unchanged; where the order of
// an object's members shows, they are sorted, because records in Go have no order.
//
// The package knows nothing of actions or of delivery.
//
// # Directives
//
// A directive is an object with one member whose name begins with @, and perhaps _metadata, which says nothing here. What it finds
// may be undefined: then the member that it stands for is left out. Directives can stand in each other wherever a value is wanted.
//
//	{"@path": "$.traits.email"}        the record's value there; $. may be left out; a.b[0].c, a['b c'], a.0.b; "" is the record
//	{"@template": "{{traits.first}} {{traits.last}}"}
//	                                   text, with what the paths lead to; nothing for what is missing or null
//	{"@literal": VALUE}                the value
//	{"@case": {"operator": "lower" or "upper", "value": VALUE}}
//	{"@if": {"exists" or "blank": VALUE, "then": VALUE, "else": VALUE}}
//	                                   exists: then, where the value is neither missing nor null; blank: then, where it is not
//	                                   blank (blank are "", 0, false and []; the name is Segment's)
//	{"@replace": {"value": VALUE, "pattern": TEXT, "replacement": TEXT, "pattern2": TEXT, "replacement2": TEXT,
//	              "ignorecase": false, "global": true}}
//	                                   plain text, no regular expressions, of at most 10 characters each
//	{"@arrayPath": [PATH, SHAPE]}      each item of the array there, or of the one value, made into the shape; paths in the
//	                                   shape begin at the item
//	{"@merge": {"objects": [VALUE, VALUE], "direction": "right" or "left"}}
//	                                   one object of several; of equal names the last one (right) or the first one (left) wins
//	{"@transform": {"apply": {...}, "mapping": VALUE}}
//	                                   the mapping, with what apply makes of the record as its record
//	{"@flatten": {"value": VALUE, "separator": "_", "omitArrays": false}}
//	                                   one level: {"a": {"b": 1}} becomes {"a_b": 1}
//	{"@json": {"mode": "encode" or "decode", "value": VALUE}}
//	{"@excludeWhenNull": VALUE}        the value, but undefined instead of null, and without null members: a null in the record
//	                                   then leaves alone what Segment has, where it would otherwise clear it
//	{"@liquid": "Hello {{ traits.first | upcase }}"}
//	                                   a Liquid template over the record: at most 1,000 characters, 500 ms and 100 MB. The tags
//	                                   assign, capture, comment, cycle, decrement, echo, if, increment, liquid, raw and unless,
//	                                   and most filters of LiquidJS; no case, for, include, layout, render and tablerow, and no
//	                                   filters that go through lists, such as map, sort and uniq
//
// A mapping with the member __segment_internal_directive is that one directive, with the other members as its mapping.
package mapping
