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
//	<first seq>-<attempt>.seg   frames in the order of their sequence numbers; then a footer, where nothing more will be appended
//	<generation>.ack            ranges of acknowledged sequence numbers
//	<segment>-<offset>.broken   damaged parts of segments, as they were found
//	*.tmp                       not finished; removed when the log is opened
//
// A segment ends where the next one begins: frames in it with the next one's first sequence number or a later one are void. That is
// how a segment whose sync has failed is left behind. Two segments with the same first number differ in their attempt; the last counts: that
// is how a segment with few records left, which may stay for long, is replaced by a small one.
//
// A footer lists a segment's frames, so that opening a log need not read these: a good footer at the very end of the file, with the right place and
// length in it, is taken for what it says, and a segment without one is read from end to end. What is damaged in a segment that was not
// read is found by the Reader that comes to it, and costs and counts the same as if it had been found earlier; until then it is among the records
// that are there. Verify finds it too. A footer is written after its frames have been synced: when a segment is full, when one is thinned
// out, and by Open for those that it had to read. In Memory mode nothing is synced and no footer written, so a log of that mode is read
// whole each time. A footer that could not be written, or was lost in a crash, costs time and nothing else.
//
// The format is still version 1, with footers and without: who does not know footers takes them for what a crash leaves at a segment's end, and
// cuts them off.
//
// # Order of writes
//
// New before old, always: a segment's directory entry is synced before Append returns; acknowledgements are synced before the segments that
// they empty are removed; frames are synced before the footer that vouches for them is written, or both before their file has its name; a
// new acknowledgement file is synced and renamed into place before the old one goes. Sequence numbers are never used twice for records
// that were returned as appended, so acknowledgements only ever add up, and reading too many old ones does no harm. Recovery reads all
// there is before it changes anything, but for frames that a footer vouches for, and may be cut short and begun again at any point.
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
