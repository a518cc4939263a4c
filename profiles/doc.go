// Package profiles puts data into Segment Profiles, as Segment's own Segment Profiles destination does, from inside your program.
//
// # Typed: from a Go service
//
// A Client sends actions to a Profile Space, which is named by the write key of its source:
//
//	client, err := profiles.New(profiles.Config{Region: region.Europe, WriteKey: profiles.NewWriteKey(key)})
//	defer client.Close()
//	outcome, err := client.Send(ctx, actions.SendIdentify{UserID: "u1", Traits: actions.Traits{"plan": "pro"}})
//	err = client.Enqueue(ctx, actions.SendTrack{UserID: "u1", Event: "Order Completed"})
//	err = client.Flush(ctx)
//
// Send waits until the message has its outcome, and never lingers for others to join it: it is for jobs, lambdas and whatever has
// to know. Enqueue returns as soon as the message is queued, and waits only where the queue is full; TryEnqueue does not even wait
// then. What becomes of an enqueued message is told to Hooks.Outcome. Client.Space gives a handle on another Profile Space.
//
// # Records: from an ETL tool
//
// A Destination is what is configured in Segment: mappings with triggers. It is loaded from a file, or from what Segment's Public
// API answers, as it is:
//
//	dest, err := profiles.LoadDestination("destination.json")
//	for outcome, err := range client.Process(ctx, dest.For(profiles.Input{Name: "customers"}), records) {
//		if err != nil {
//			break // the source, the context or the client ended the range
//		}
//		if !outcome.Done() {
//			break // not the record's fault: read it again in a later run
//		}
//		// Keep outcome.Err() where there is one, and move the checkpoint past record outcome.Index.
//	}
//
// A record is decoded JSON: an event payload as Segment has them (type, event, userId, traits, properties, context), or a row of a
// warehouse, shaped as saved warehouse mappings expect it: {"type": "track", "event": "new", "updated" or "deleted", "properties": {its
// columns, "__segment_id": its key}}.
//
// A record runs through every enabled mapping whose trigger matches; it may give several messages, or none. Destination.Preview
// shows what a record would send, and Destination.Lint what is wrong with the mappings, both without a client.
//
// # Outcomes
//
// Every message that was taken into the queue has exactly one outcome:
//
//   - Accepted: the server answered that it took the message. Nothing better can be said: it says so before it looks.
//   - Rejected: the server refused it for good. A batch that is refused for one bad message is halved until that one stands alone.
//     Where the server refuses the write key or the token (401, 403), or it is not the Tracking API that answers (404, a redirect, a
//     page), or has refused a hundred batches in a row, the whole batch is Rejected, and so is, unsent, all that comes for that key
//     in the next 30 seconds; then it is asked again.
//   - Exhausted: it was tried until Config.Deadline.
//   - Canceled: the client was shut down, or the Process stopped, before it was accepted.
//
// With Config.Spool a client that is shut down leaves its messages on disk instead, and who waits for one is told that it is Kept:
// its outcome comes in a later run.
//
// Invalid is what never was queued: because the server accepts and then drops nearly anything, rules and limits are checked here,
// all at once, as typed errors (actions.Error) that name the field and never its value.
//
// Delivery is at least once under one messageId: a message may be sent twice when an answer was lost, and Segment drops the
// second within its window of about a day. Messages of one profile (the userId, else the anonymousId, else the first external id)
// stay in order.
//
// # Limits
//
// A client sends at most Config.EventsPerSecond, 1,000 by default, which is what Segment takes from one workspace; clients in one
// process share that by sharing a Limiter. What failed is tried again after a random part of 0.5 s, 1 s, 2 s and so on up to 60 s;
// when the server asks for quiet with Retry-After, the whole client keeps it. A single profile takes about
// 25 events a second: Stats.HotEvents counts what was sent beyond that. The queue is bounded by messages and bytes.
//
// # The end
//
// Close delivers what is queued for up to Config.CloseTimeout, and says what it had to give up; Shutdown does the same under a
// context. A client that is idle has no goroutine to leak.
//
// For tests of code that uses this package see profilestest, and transporttest for a server that behaves as Segment's does.
package profiles
