// Package mapping runs the mappings and triggers that are saved in Segment: it decides which records a mapping takes, and
// turns a record into the fields of an action.
//
// A mapping is JSON in which raw values and directives are mixed: {"userId": {"@path": "$.traits.id"}, "plan": "pro"}. Compile
// checks it whole and makes a Mapping of it, which resolves any number of records. Behaviour is that of Segment's own
// engine, JavaScript's rules for values included, so that what was written there runs here unchanged; where the order of
// an object's members shows, they are sorted, because records in Go have no order.
//
// The package knows nothing of actions or of delivery.
package mapping
