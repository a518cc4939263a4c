package actions

// Segment's limits on one message, which are checked before anything is sent: the server answers 200 to most of what it then
// drops. The tags of the action types repeat the first three, as validator reads numbers from tags alone; a test holds them equal.
const (
	// MaxTraits is the number of top-level traits or properties of a message. Segment drops an event with more in silence.
	MaxTraits = 299
	// MaxMessageIDLen is the length of a messageId in characters (Unicode code points).
	MaxMessageIDLen = 99
	// MaxGroupIDLen is the length of a groupId in characters (Unicode code points).
	MaxGroupIDLen = 500
	// MaxMessageBytes is the size of one message as it is sent, uncompressed: 32 KB, read as 1,000 bytes each.
	MaxMessageBytes = 32_000
)
