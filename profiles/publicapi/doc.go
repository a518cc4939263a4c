// Package publicapi reads, through Segment's Public API, what package profiles is configured with: the workspace's Profile Spaces
// with their write keys, and saved Segment Profiles destinations. It only ever reads.
//
// A Client needs a Public API token of the workspace. Write keys are shown to tokens with the role Source Admin alone.
// CheckWriteKey needs no token: it asks the CDN, where the settings of every source are published, whether a write key exists.
//
// Package publicapitest has a stand-in for tests.
package publicapi
