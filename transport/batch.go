package transport

import "slices"

// A Batch is the messages of one request: validated wire messages of one Profile Space, in their order. The messages lie in
// one buffer, a comma between each two, so that the body of a request is that buffer between two short pieces, and cutting a
// batch copies nothing.
//
// The zero value is an empty batch. A Batch is not safe for concurrent use while it is being filled.
type Batch struct {
	// WriteKey is the Profile Space that all of the messages go to.
	WriteKey WriteKey
	// Retry is how many attempts at these messages went before this one. HTTP sends it as X-Retry-Count where it is above 0.
	Retry int

	buf   []byte
	begin int // where in buf the first message begins
	ends  []int
}

// Append adds a message, which has to be one JSON object as actions encode it. The bytes are copied. Append checks nothing:
// Fits tells whether the message would pass the limits of a request.
func (b *Batch) Append(message []byte) {
	if len(b.ends) > 0 {
		b.buf = append(b.buf, ',')
	}
	b.buf = append(b.buf, message...)
	b.ends = append(b.ends, len(b.buf))
}

// Fits tells whether a message of so many bytes can join the batch without passing MaxBatchMessages or MaxBatchBytes, of
// which EnvelopeBytes are kept for the members around the messages.
func (b *Batch) Fits(messageBytes int) bool {
	return len(b.ends) < MaxBatchMessages && b.Bytes()+1+messageBytes <= MaxBatchBytes-EnvelopeBytes
}

// Len returns the number of messages.
func (b *Batch) Len() int { return len(b.ends) }

// Bytes returns the size of the messages with the commas between them.
func (b *Batch) Bytes() int {
	if len(b.ends) == 0 {
		return 0
	}
	return b.ends[len(b.ends)-1] - b.begin
}

// Message returns the i-th message, i from 0. The slice points into the batch and must not be written to, nor kept beyond the
// batch's own life.
func (b *Batch) Message(i int) []byte {
	return b.buf[b.start(i):b.ends[i]:b.ends[i]]
}

// Joined returns all messages with a comma between each two: what stands between the brackets of the request's batch member.
// The slice points into the batch, like that of Message.
func (b *Batch) Joined() []byte {
	if len(b.ends) == 0 {
		return nil
	}
	end := b.ends[len(b.ends)-1]
	return b.buf[b.begin:end:end]
}

// Slice returns the messages from i up to but not including j as a batch of its own, with the same key and Retry. It shares
// the bytes of b until something is appended to it. It must not be Reset.
func (b *Batch) Slice(i, j int) *Batch {
	if i == j {
		return &Batch{WriteKey: b.WriteKey, Retry: b.Retry}
	}
	end := b.ends[j-1]
	return &Batch{WriteKey: b.WriteKey, Retry: b.Retry, buf: b.buf[:end:end], begin: b.start(i), ends: b.ends[i:j:j]}
}

// Clone returns a copy that shares nothing with b.
func (b *Batch) Clone() *Batch {
	c := &Batch{WriteKey: b.WriteKey, Retry: b.Retry, buf: slices.Clone(b.Joined()), ends: make([]int, len(b.ends))}
	for i, end := range b.ends {
		c.ends[i] = end - b.begin
	}
	return c
}

// Reset empties the batch for another use, keeping its memory. Batches cut from b with Slice must not be in use any more.
func (b *Batch) Reset() {
	*b = Batch{buf: b.buf[:0], ends: b.ends[:0]}
}

func (b *Batch) start(i int) int {
	if i == 0 {
		return b.begin
	}
	return b.ends[i-1] + 1
}
