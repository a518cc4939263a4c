// Package transporttest has what a test puts in the place of Segment: Recorder, a transport in memory; Server, a Tracking
// API that behaves as the real one does, over real HTTP; and TestTransport, a suite that any transport.Transport can be
// held against.
//
// The Server enforces what Segment enforces, drops in silence what Segment drops in silence, and keeps what Segment would
// then know: its profiles, groups and events. Faults are scripted by one-shot steps, or drawn at random from a seed, and
// every fault that was injected is counted, so that a test can tell that it tested something.
//
// Everything that is returned is a copy. All of it may be used from many goroutines at once. Time is package time's, so that
// a server made by NewPipeServer works in a bubble of testing/synctest, and on its clock.
package transporttest
