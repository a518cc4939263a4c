// Package messageid makes the messageId of a message: a new one for a message that is sent once, and one derived from what a
// message is made of where a second run has to arrive at the same.
package messageid

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"time"
)

// New returns a new id: a UUID of version 7 (RFC 9562) in its usual text, 36 characters, in lower case. Ids made later sort
// later, to the millisecond. It may be called from any number of goroutines, and makes no system call for its randomness.
func New() string {
	var room [36]byte
	return string(Append(room[:0]))
}

// Append appends a new id, as New returns it, to dst.
func Append(dst []byte) []byte { return AppendAt(dst, time.Now()) }

// AppendAt is Append where the time is known already.
func AppendAt(dst []byte, now time.Time) []byte {
	// 74 random bits tell ids of one millisecond apart. They need not be secret, so the runtime's generator will do.
	high := uint64(now.UnixMilli())<<16 | 0x7000 | rand.Uint64()&0x0fff
	low := 1<<63 | rand.Uint64()>>2

	dst = append(dst, "00000000-0000-0000-0000-000000000000"...)
	text := (*[36]byte)(dst[len(dst)-36:])
	setHex((*[4]byte)(text[0:]), uint16(high>>48))
	setHex((*[4]byte)(text[4:]), uint16(high>>32))
	setHex((*[4]byte)(text[9:]), uint16(high>>16))
	setHex((*[4]byte)(text[14:]), uint16(high))
	setHex((*[4]byte)(text[19:]), uint16(low>>48))
	setHex((*[4]byte)(text[24:]), uint16(low>>32))
	setHex((*[4]byte)(text[28:]), uint16(low>>16))
	setHex((*[4]byte)(text[32:]), uint16(low))
	return dst
}

// setHex writes the digits of x.
func setHex(text *[4]byte, x uint16) {
	high, low := &hexPairs[x>>8], &hexPairs[x&0xff]
	text[0], text[1], text[2], text[3] = high[0], high[1], low[0], low[1]
}

// hexPairs are the two digits of each byte.
var hexPairs = func() (pairs [256][2]byte) {
	const digits = "0123456789abcdef"
	for i := range pairs {
		pairs[i] = [2]byte{digits[i>>4], digits[i&15]}
	}
	return pairs
}()

// HashLen is the length of the ids of a Hasher.
const HashLen = len(hashPrefix) + 32

const hashPrefix = "sp_"

// A Hasher makes ids that depend on parts alone: the same for the same parts in the same order, another one for any others, also where
// they read the same when joined. An id is "sp_" and 32 characters of unpadded base64url, 192 bits of a SHA-256. The zero value is ready,
// and one that is used again does not allocate.
type Hasher struct {
	text []byte
}

// Reset begins another id.
func (h *Hasher) Reset() { h.text = h.text[:0] }

// Text adds a part.
func (h *Hasher) Text(part string) {
	h.text = binary.AppendUvarint(h.text, uint64(len(part)))
	h.text = append(h.text, part...)
}

// Bytes adds a part, the same as Text does.
func (h *Hasher) Bytes(part []byte) {
	h.text = binary.AppendUvarint(h.text, uint64(len(part)))
	h.text = append(h.text, part...)
}

// Int adds a part, the same as Text does with its decimal digits.
func (h *Hasher) Int(part int) {
	var room [20]byte
	h.Bytes(strconv.AppendInt(room[:0], int64(part), 10))
}

// Append appends the id to dst.
func (h *Hasher) Append(dst []byte) []byte {
	sum := sha256.Sum256(h.text)
	return base64.RawURLEncoding.AppendEncode(append(dst, hashPrefix...), sum[:24])
}

// Hash returns the id of parts.
func Hash(parts ...string) string {
	var h Hasher
	for _, part := range parts {
		h.Text(part)
	}
	return string(h.Append(make([]byte, 0, HashLen)))
}
