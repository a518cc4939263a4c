package dispatch

import "container/list"

// room is the budget of messages and bytes, and the queue of those who wait for some of it. Dispatcher.mu guards it.
type room struct {
	maxMessages, maxBytes int
	messages, bytes       int
	waiting               list.List // of *waiter: first come, first served
}

// A waiter waits for room for one message.
type waiter struct {
	bytes   int
	granted bool
	err     error         // why the wait ended, where not granted
	done    chan struct{} // closed when granted or err is set
	place   *list.Element
}

// take takes room for a message of so many bytes, if there is any and nobody waits for it already.
func (r *room) take(bytes int) bool {
	if r.waiting.Len() > 0 || !r.fits(bytes) {
		return false
	}
	r.messages++
	r.bytes += bytes
	return true
}

// fits tells whether there is room. An empty queue has room for any message, however small the budget.
func (r *room) fits(bytes int) bool {
	return r.messages == 0 || (r.messages < r.maxMessages && r.bytes+bytes <= r.maxBytes)
}

// wait queues for room.
func (r *room) wait(bytes int) *waiter {
	w := &waiter{bytes: bytes, done: make(chan struct{})}
	w.place = r.waiting.PushBack(w)
	return w
}

// leave takes a waiter that was not granted out of the queue, and lets those behind it through.
func (r *room) leave(w *waiter) {
	r.waiting.Remove(w.place)
	r.grant()
}

// give gives room back and hands it to those who wait.
func (r *room) give(messages, bytes int) {
	r.messages -= messages
	r.bytes -= bytes
	r.grant()
}

func (r *room) grant() {
	for front := r.waiting.Front(); front != nil; front = r.waiting.Front() {
		w := front.Value.(*waiter)
		if !r.fits(w.bytes) {
			return
		}
		r.waiting.Remove(front)
		r.messages++
		r.bytes += w.bytes
		w.granted = true
		close(w.done)
	}
}

// refuse ends every wait with err.
func (r *room) refuse(err error) {
	for front := r.waiting.Front(); front != nil; front = r.waiting.Front() {
		w := front.Value.(*waiter)
		r.waiting.Remove(front)
		w.err = err
		close(w.done)
	}
}
