// Package segmentprofiles is the root of a library that does in your own process what Twilio Segment's Segment Profiles
// destination does: it turns records and typed Go values into identify, group, track and subscriptions calls for a Profile Space,
// and delivers them to Segment's Tracking API.
//
// The packages, in the order in which most programs meet them:
//
//   - profiles: the client, destinations with their saved mappings, outcomes. Start here.
//   - actions: SendIdentify, SendGroup, SendTrack and SendSubscriptions, their rules and their wire form.
//   - region: where a workspace lives, and the endpoints there.
//   - profiles/profilestest: a client on a recorder, and assertions, for the tests of your own code.
//   - transport/transporttest: a Tracking API on loopback that behaves as Segment's does, with faults to order.
//   - mapping: mappings and triggers as Segment saves them.
//   - transport: the seam below the client: batches, limits, the HTTP transport, the rate limiter.
package segmentprofiles

import "github.com/segmentprofiles/segmentprofiles-go/transport"

// Version is the version of the library. Requests carry it.
const Version = transport.LibraryVersion
