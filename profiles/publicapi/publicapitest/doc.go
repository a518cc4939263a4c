// Package publicapitest has Server, a stand-in for Segment's Public API and for the CDN that publishes the settings of sources: what
// package publicapi talks to, over real HTTP.
//
// The Server asks for the token, pages its lists, refuses as the real API does, and shows write keys to a token with the role Source
// Admin alone. Faults are scripted by one-shot steps. Everything that is returned is a copy; all of it may be used from many
// goroutines at once. Time is package time's, so that a server made by NewPipeServer works in a bubble of testing/synctest.
package publicapitest
