package dispatch

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Store keeps messages beyond the life of the process. With one, Offer returns once the message is in its key's queue there, and
// delivery reads from that queue: what is in memory is a window on it.
type Store interface {
	// Queue opens the queue of a key. It is called once for each key.
	Queue(key transport.WriteKey) (Queue, error)
}

// A Queue is the stored messages of one key. Its methods may be called from any goroutine, Next and Reset from one at a time.
type Queue interface {
	// Append stores copies of messages, all of them or none, and returns when they are as safe as the store promises. Where there is no room
	// it waits for some until ctx ends, or with block false returns ErrQueueFull.
	Append(ctx context.Context, payloads [][]byte, block bool) error
	// Next returns messages that are not done, in the order of their numbers, from where the last call or Reset left off; none
	// where it has come to the end.
	Next(maxBytes int) ([]Stored, error)
	// Reset makes Next go on with the message of this number.
	Reset(seq uint64)
	// Done forgets messages.
	Done(seqs []uint64)
	// First is the least number that is not done, and Last the last one that was appended; First is Last+1 where all are done.
	First() uint64
	Last() uint64
	// Len is how many are not done.
	Len() int
}

// Stored is a message as a Queue gives it back.
type Stored struct {
	Seq     uint64
	Payload []byte
	At      time.Time // when it was appended
}

// A claim is who waits for a stored message in this life of the process. It is made before the message is appended, so that whoever
// reads the message finds it.
type claim struct {
	sink   Sink
	token  uint64
	urgent bool
	kept   bool // Append has returned
}

// storedHeader is the fixed part of a payload: format, life of the process, ticket, three offsets and the length of the profile,
// which follows. The message comes last.
const (
	storedFormat = 1
	storedHeader = 1 + 8 + 8 + 2 + 2 + 2 + 2
)

var errStored = errors.New("stored message has an unknown form")

// storedBuffers are for payloads, which a Queue copies.
var storedBuffers = sync.Pool{New: func() any { return new(storedBuffer) }}

// A storedBuffer is a payload by itself, as Append wants to have it.
type storedBuffer struct {
	payloads [1][]byte
}

// storedLen is how long a message's payload is.
func storedLen(m *Message) int { return storedHeader + len(m.Profile) + len(m.Body) }

// appendStored appends the payload of a message.
func appendStored(dst []byte, m *Message, life, ticket uint64) []byte {
	dst = append(dst, storedFormat)
	dst = binary.LittleEndian.AppendUint64(dst, life)
	dst = binary.LittleEndian.AppendUint64(dst, ticket)
	for _, n := range [...]int{m.IDStart, m.IDEnd, m.Unique, len(m.Profile)} {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
	}
	dst = append(dst, m.Profile...)
	return append(dst, m.Body...)
}

// parseStored takes a payload apart. The message and its profile, which is not in it, point into the payload.
func parseStored(payload []byte) (m Message, profile []byte, life, ticket uint64, err error) {
	if len(payload) < storedHeader || payload[0] != storedFormat {
		return Message{}, nil, 0, 0, errStored
	}
	life = binary.LittleEndian.Uint64(payload[1:])
	ticket = binary.LittleEndian.Uint64(payload[9:])
	at := func(i int) int { return int(binary.LittleEndian.Uint16(payload[17+2*i:])) }
	rest := payload[storedHeader:]
	n := at(3)
	if n > len(rest) {
		return Message{}, nil, 0, 0, errStored
	}
	profile = rest[:n]
	m = Message{Body: rest[n:], IDStart: at(0), IDEnd: at(1), Unique: at(2)}
	if m.IDStart > m.IDEnd || m.IDEnd > len(m.Body) || m.Unique > len(m.Body) {
		return Message{}, nil, 0, 0, errStored
	}
	return m, profile, life, ticket, nil
}

// StoredBody returns the message in a payload that a Queue was given. It points into the payload.
func StoredBody(payload []byte) ([]byte, error) {
	m, _, _, _, err := parseStored(payload)
	return m.Body, err
}
