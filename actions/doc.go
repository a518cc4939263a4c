// Package actions has the four calls that the Segment Profiles destination makes, as typed values: SendIdentify, SendGroup,
// SendTrack and SendSubscriptions. It validates them and writes them as Segment takes them, and knows nothing of delivery.
//
// An action is made by hand, or by FromFields from what a saved mapping resolves to. Build gives its message; Append writes
// the message to a buffer without allocating. Validation is the point of both: Segment answers 200 to nearly everything and
// drops in silence what it does not like, so an action that breaks a rule is an *Error here, with every problem at once, each
// with its field. No error holds a field's value.
//
// Every message holds integrations.All=false, which keeps the space's other destinations from receiving it. No field turns
// that off.
//
// # Differences from Segment's own destination
//
// What a saved mapping sends in Segment is sent here too, but for these. The names are those of the conformance vectors.
//
//   - invalid-status-is-an-error: an unknown subscription status is an error that names the field. Segment sends the status
//     INVALID.
//   - blank-group-status-omitted: a group whose status is blank or null is left out. Segment sends it without a status, or
//     with INVALID.
//   - epoch-timestamp-as-rfc3339: a number or a string of digits is seconds (below 1e11), milliseconds (below 1e14),
//     microseconds (below 1e17) or else nanoseconds since 1970, and is sent as RFC 3339. Segment passes it on as it is.
//   - invalid-consent-is-an-error: consent other than {} that has no object of booleans as categoryPreferences is an error.
//     Segment sends {} in its place.
//   - track-group-id-in-context: the Group ID of a track is sent as context.groupId. Segment drops it.
//   - message-id-always: a message has a messageId before the first attempt to send it. Segment leaves it to the server.
//   - message-id-per-mapping: of several messages that one record gives, only the first keeps the record's messageId. This is
//     done where records are processed; see WithMessageID.
//   - exact-integers: integers keep all their digits. Segment's numbers are doubles.
//
// Timestamps are sent in UTC. A text is read as RFC 3339, as a date alone, or as warehouses and CRMs write it: with a space
// for the T, an offset without minutes or colon, a space before the offset or UTC, or no offset, which is UTC. Anything else, and
// what is before 1970, is an error.
package actions
