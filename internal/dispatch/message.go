package dispatch

import (
	"bytes"
	"encoding/json"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Message is what Offer takes: an encoded message and where its outcome goes.
type Message struct {
	Key     transport.WriteKey
	Profile string // messages of the same key and profile stay in the order in which they were offered
	Body    []byte // copied by Offer
	IDStart int    // where in Body the messageId's text stands
	IDEnd   int
	// Unique is how much of Body, from its start, tells this message from another under the same messageId; 0 for an id that
	// nobody else can have. A second message with an id that is queued already joins the first if they are the same, and is
	// refused with ErrConflict if they are not.
	Unique int
	// Urgent messages have a caller who waits: they are never held back to fill a batch.
	Urgent bool
	// Sink, where it is not nil, is told the message's outcome, with Token.
	Sink  Sink
	Token uint64

	place // in the store
}

// A place is where a message is in the store.
type place struct {
	seq    uint64 // 0 without a store
	ticket uint64 // of its claim; 0 where nobody waits for it
	at     int64  // when it was appended, in nanoseconds of the wall clock since 1970
}

// A Sink is told what became of messages. Settle is called without any lock held, once for each message, from the goroutine
// that made the last attempt: it must not block. The Settlement is valid during the call only.
type Sink interface {
	Settle(token uint64, s *Settlement)
}

// A Status is the way in which a message ended.
type Status uint8

const (
	// Accepted: the server took it.
	Accepted Status = iota + 1
	// Rejected: refused for good.
	Rejected
	// Exhausted: not accepted before its deadline.
	Exhausted
	// Canceled: given up because the dispatcher was shut down or the sink was canceled.
	Canceled
	// Kept: left in the store by a shutdown. Another run delivers it.
	Kept
	// Unstored: submitted, and could not be stored. It is not sent. Only the sink hears of it, and Result.Err is why.
	Unstored
)

// A Settlement is the end of one message.
type Settlement struct {
	Status Status
	Key    transport.WriteKey
	// Body is the message as it was encoded.
	Body []byte
	// Attempts is how many attempts were made with the message in the batch.
	Attempts int
	// Result is the last attempt's result. It is the zero value where none was made.
	Result transport.Result
	// Fault is why a Rejected message was not sent: an answer to another batch of its key. It is nil where it was sent.
	Fault *transport.Result
	// Ambiguous is true where an attempt before or at the end may have been taken without an answer having arrived.
	Ambiguous bool
	// NotBuried is why a Rejected or Exhausted message's dead letter is not kept, where somebody should have kept it.
	NotBuried error

	idStart, idEnd int

	names *names // of the batch, nil where there is none
	place int    // in the batch
}

// ID returns the messageId.
func (s *Settlement) ID() string {
	text := s.Body[s.idStart:s.idEnd]
	if bytes.IndexByte(text, '\\') < 0 {
		if s.names != nil {
			return s.names.at(s.place)
		}
		return string(text)
	}
	var id string
	if json.Unmarshal(s.Body[s.idStart-1:s.idEnd+1], &id) != nil { // with its quotes
		return string(text)
	}
	return id
}

// names makes the strings of a batch's messageIds, several with one allocation: where there is a hook, it wants all of them.
type names struct {
	b     *batch
	text  string // of the ids of some messages, one after the other
	first int    // the first of these messages
	ends  [namesTogether]uint32
}

// namesTogether is how many ids share a string. Who keeps one of them keeps all, so there are few.
const namesTogether = 16

// at returns the messageId of a message as it is written in JSON.
func (n *names) at(i int) string {
	if n.text == "" || i < n.first || i >= n.first+namesTogether {
		n.gather(i)
	}
	start := uint32(0)
	if i > n.first {
		start = n.ends[i-n.first-1]
	}
	return n.text[start:n.ends[i-n.first]]
}

func (n *names) gather(first int) {
	var room [namesTogether * 40]byte
	text := room[:0]
	for i := range min(namesTogether, len(n.b.metas)-first) {
		m := &n.b.metas[first+i]
		text = append(text, n.b.wire.Message(first + i)[m.idStart:m.idEnd]...)
		n.ends[i] = uint32(len(text))
	}
	n.text, n.first = string(text), first
}

// meta is what the queue keeps of a message beside its bytes.
type meta struct {
	sink           Sink
	token          uint64
	entry          *entry // its place in the index of ids; nil for an id that nobody else can have
	profile        uint64 // hash of the profile
	place                 // in the store
	idStart, idEnd uint16 // a message is at most transport.MaxMessageBytes long
}

// metaBytes is what a message costs beside its own bytes; the budget counts it. It is what a meta takes, and a little more.
const metaBytes = 128
