// Package dispatch takes encoded messages in and sees each of them to exactly one outcome. It owns the queue: the budget,
// the lanes that keep a profile's messages in order, batches and linger, the gate that paces requests, retries, deadlines
// and bisection, flushing and shutting down.
//
// # Life of a message
//
// Offer copies the message's bytes into the open batch of its lane: one of a few lanes of its write key, chosen by the
// profile, so that a profile's messages stay in order. A batch is sealed when it is full, has waited for as long as it may
// linger, when somebody flushes, or when a caller waits for it and the lane is idle. A lane with a sealed batch stands in the
// ready queue; at its turn the gate takes tokens for the batch from the limiter, and when their time has come one goroutine
// makes one attempt. The attempt's class decides: settle, put the batch back at the lane's head and wait, or cut it in halves.
//
// # Locks
//
// One mutex, Dispatcher.mu, guards everything but the bytes of a batch in flight. It is not held while a transport, a hook or
// a sink runs, nor across a channel. What is called under it never blocks: the limiter's own lock, Timer.Reset and the start of
// a goroutine.
//
// # Goroutines and timers
//
// A batch in flight has a goroutine; so has a key's queue in the store while it is being read, and those who are told of canceled
// messages while they are. The one timer of a dispatcher runs only while something waits for a time: a lingering batch, a retry, the
// gate, a refused key. A dispatcher with nothing queued owns neither.
package dispatch
