// Package messageid makes the messageId of a message: a new one for a message that is sent once, and one derived from what a
// message is made of where a second run has to arrive at the same.
package messageid

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// New returns a new id: a UUID of version 7 (RFC 9562) in its usual text, 36 characters, in lower case. Ids made later sort
// later, to the millisecond. It may be called from any number of goroutines, and makes no system call for its randomness.
func New() string {
	var room [36]byte
	return string(Append(room[:0]))
}

// Append appends a new id, as New returns it, to dst.
func Append(dst []byte) []byte {
	// 74 random bits tell ids of one millisecond apart. They need not be secret, so the runtime's generator will do.
	high := uint64(time.Now().UnixMilli())<<16 | 0x7000 | rand.Uint64()&0x0fff
	low := 1<<63 | rand.Uint64()>>2

	dst = appendHex(dst, high>>32, 8)
	dst = append(dst, '-')
	dst = appendHex(dst, high>>16, 4)
	dst = append(dst, '-')
	dst = appendHex(dst, high, 4)
	dst = append(dst, '-')
	dst = appendHex(dst, low>>48, 4)
	dst = append(dst, '-')
	return appendHex(dst, low, 12)
}

// appendHex appends the lowest digits of x.
func appendHex(dst []byte, x uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, "0123456789abcdef"[x>>(4*i)&15])
	}
	return dst
}

// Hash returns an id that depends on parts alone: the same for the same parts in the same order, another one for any others,
// also where they read the same when joined. It is "sp_" and 32 characters of unpadded base64url, 192 bits of a SHA-256.
func Hash(parts ...string) string {
	text := make([]byte, 0, 512)
	for _, part := range parts {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	id := make([]byte, 0, 35)
	return string(base64.RawURLEncoding.AppendEncode(append(id, "sp_"...), sum[:24]))
}
