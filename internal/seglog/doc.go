// Package seglog is an append-only log of opaque records that are acknowledged one by one: what a durable queue keeps on disk.
//
// # Promise
//
// When Append returns nil in Sync mode, its records survive a kill and, on a disk that honours fsync, a power cut, until they are
// acknowledged. An acknowledgement that is lost in a crash brings its record back: delivery from this log is at least once. A
// record is never served with other bytes than were appended; what a damaged disk has cost is counted and reported, and kept apart in
// a file for people to look at.
//
// # Files
//
//	LOCK                        held while a Log is open
//	MANIFEST                    format, queue id, salt, identity; twice, one per line, for one of them to be damaged
//	<first seq>-<attempt>.seg   frames in the order of their sequence numbers
//	<generation>.ack            ranges of acknowledged sequence numbers
//	<segment>-<offset>.broken   damaged parts of segments, as they were found
//	*.tmp                       not finished; removed when the log is opened
//
// A segment ends where the next one begins: frames in it with the next one's first sequence number or a later one are void. That is
// how a segment whose sync has failed is left behind. Two segments with the same first number differ in their attempt; the last counts: that
// is how a segment with few records left, which may stay for long, is replaced by a small one.
//
// # Order of writes
//
// New before old, always: a segment's directory entry is synced before Append returns; acknowledgements are synced before the segments that
// they empty are removed; a new acknowledgement file is synced and renamed into place before the old one goes. Sequence numbers are
// never used twice for records that were returned as appended, so acknowledgements only ever add up, and reading too many old ones does
// no harm. Recovery reads all there is before it changes anything, and may be cut short and begun again at any point.
//
// # Concurrency
//
// A Log may be used by any number of goroutines, a Reader by one at a time. Two locks are held across I/O, because taking turns at a file
// is what they are for: disk (who writes segments: the leader of a group commit) and acks.turn (who writes acknowledgements). Log.mu guards
// everything in memory and is never held across I/O. Order: disk, acks.turn, mu; none is taken while one on its right is held.
//
// A Log has no goroutine. In Interval mode it has one timer, which runs only while something is unsynced. What has to be done "every
// second" (syncing acknowledgements, removing and thinning out segments) is done by the next operation that finds it due, or by Close.
package seglog
