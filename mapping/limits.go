package mapping

import "time"

// Limits that Segment sets.
const (
	// MaxPattern is how long a pattern or a replacement of @replace may be, in UTF-16 units.
	MaxPattern = 10
	// MaxLiquid is how long a template of @liquid may be, in UTF-16 units.
	MaxLiquid = 1000
)

// Limits against mappings and records that are made to cost too much. No mapping that is in use comes near them.
const (
	// MaxDepth is how many objects and arrays may lie within each other in a mapping, and in a value that a directive has to
	// walk through (@flatten, @json, @excludeWhenNull).
	MaxDepth = 256
	// MaxValues is how many values a mapping may hold, each object, array and scalar counted.
	MaxValues = 10_000
	// MaxSteps is how many values the directives of a mapping may visit for one record.
	MaxSteps = 1_000_000
	// MaxText is how much text the directives of a mapping may build for one record, in bytes.
	MaxText = 8 << 20
	// MaxLiquidTime is how long all the templates of @liquid may take for one record. One alone ends after 500 ms.
	MaxLiquidTime = 2 * time.Second
)

const (
	tooManySteps = "takes more than 1,000,000 steps for one record"
	tooMuchText  = "builds more than 8 MiB of text for one record"
	tooDeep      = "meets a value nested deeper than 256 levels"
)
