package retl

import (
	"encoding/binary"
	"time"
)

// An entry in a frame is its flags, its key, and those of its fields that the flags do not say:
//
//	flags     1
//	shared    uvarint  how many bytes the key has in common with the one before it in the frame
//	rest      uvarint  how many follow, and these bytes
//	sum      16        hasSum
//	version   uvarint
//	accepted  uvarint
//	seen      uvarint  not sameSeen
//	new       uvarint  hasNew: and uvarint given up
//	tries     uvarint  hasTries
//	found     varint   hasFound: seconds since the one before in the frame, and uvarint nanoseconds
//	row       uvarint  hasRow: its length, and its bytes
const (
	isGone byte = 1 << iota
	hasSum
	sameSeen // as accepted
	hasTries
	hasFound
	sameFound // as the one before in the frame
	hasRow
	hasNew
)

// An entryEncoder puts entries into the payload of a frame. Reset it for each frame.
type entryEncoder struct {
	buf   []byte
	count int
	key   string
	found time.Time
}

func (x *entryEncoder) reset() { *x = entryEncoder{buf: x.buf[:0]} }

func (x *entryEncoder) add(e *Entry) {
	flags := x.flags(e)
	x.buf = append(x.buf, flags)
	x.buf = appendKey(x.buf, x.key, e.Key)
	if flags&hasSum != 0 {
		x.buf = append(x.buf, e.Sum[:]...)
	}
	x.buf = binary.AppendUvarint(x.buf, uint64(e.Version))
	x.buf = binary.AppendUvarint(x.buf, e.Accepted)
	if flags&sameSeen == 0 {
		x.buf = binary.AppendUvarint(x.buf, e.Seen)
	}
	if flags&hasNew != 0 {
		x.buf = binary.AppendUvarint(binary.AppendUvarint(x.buf, e.New), e.GivenUp)
	}
	if flags&hasTries != 0 {
		x.buf = binary.AppendUvarint(x.buf, uint64(e.Tries))
	}
	if flags&hasFound != 0 {
		before := int64(0)
		if !x.found.IsZero() {
			before = x.found.Unix()
		}
		x.buf = binary.AppendVarint(x.buf, e.Found.Unix()-before)
		x.buf = binary.AppendUvarint(x.buf, uint64(e.Found.Nanosecond()))
		x.found = e.Found
	}
	if flags&hasRow != 0 {
		x.buf = binary.AppendUvarint(x.buf, uint64(len(e.Row)))
		x.buf = append(x.buf, e.Row...)
	}
	x.key = e.Key
	x.count++
}

func (x *entryEncoder) flags(e *Entry) byte {
	var flags byte
	if e.Gone {
		flags |= isGone
	}
	if e.Sum != [16]byte{} {
		flags |= hasSum
	}
	if e.Seen == e.Accepted {
		flags |= sameSeen
	}
	if e.New|e.GivenUp != 0 {
		flags |= hasNew
	}
	if e.Tries != 0 {
		flags |= hasTries
	}
	switch {
	case e.Found.IsZero():
	case e.Found.Equal(x.found):
		flags |= sameFound
	default:
		flags |= hasFound
	}
	if e.Row != nil {
		flags |= hasRow
	}
	return flags
}

func appendKey(dst []byte, before, key string) []byte {
	shared := 0
	for shared < len(before) && shared < len(key) && before[shared] == key[shared] {
		shared++
	}
	dst = binary.AppendUvarint(dst, uint64(shared))
	dst = binary.AppendUvarint(dst, uint64(len(key)-shared))
	return append(dst, key[shared:]...)
}

// A decoder reads what is in the payload of a frame. The first thing that is wrong sets bad, and ends it.
type decoder struct {
	left  []byte
	key   []byte
	found time.Time
	bad   bool
}

func (d *decoder) reset(payload []byte) { *d = decoder{left: payload, key: d.key[:0]} }

// entry reads an entry, whose Row is a part of the payload. It returns false where there is none.
func (d *decoder) entry(e *Entry) bool {
	if len(d.left) == 0 {
		return false
	}
	flags := d.left[0]
	d.left = d.left[1:]
	if flags&hasFound != 0 && flags&sameFound != 0 {
		d.bad = true
		return false
	}
	*e = Entry{Key: d.nextKey(), Gone: flags&isGone != 0}
	if flags&hasSum != 0 {
		copy(e.Sum[:], d.bytes(uint64(len(e.Sum))))
	}
	e.Version = d.number()
	e.Accepted = d.uvarint()
	e.Seen = e.Accepted
	if flags&sameSeen == 0 {
		e.Seen = d.uvarint()
	}
	if flags&hasNew != 0 {
		e.New, e.GivenUp = d.uvarint(), d.uvarint()
	}
	if flags&hasTries != 0 {
		e.Tries = d.number()
	}
	if flags&hasFound != 0 {
		d.readFound()
	}
	if flags&(hasFound|sameFound) != 0 {
		e.Found = d.found
	}
	if flags&hasRow != 0 {
		e.Row = d.bytes(d.uvarint())
	}
	return !d.bad
}

// mark reads a mark. It returns false where there is none.
func (d *decoder) mark(m *Mark) bool {
	if len(d.left) == 0 {
		return false
	}
	*m = Mark{Key: d.nextKey(), Accepted: d.uvarint(), Seen: d.uvarint(), GivenUp: d.uvarint(), Tries: d.number()}
	return !d.bad
}

func appendMark(dst []byte, before string, m *Mark) []byte {
	dst = appendKey(dst, before, m.Key)
	dst = binary.AppendUvarint(dst, m.Accepted)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, m.Seen), m.GivenUp)
	return binary.AppendUvarint(dst, uint64(m.Tries))
}

func (d *decoder) nextKey() string {
	shared := d.uvarint()
	if shared > uint64(len(d.key)) {
		d.bad = true
		return ""
	}
	d.key = append(d.key[:shared], d.bytes(d.uvarint())...)
	if len(d.key) == 0 {
		d.bad = true
	}
	return string(d.key)
}

func (d *decoder) readFound() {
	before := int64(0)
	if !d.found.IsZero() {
		before = d.found.Unix()
	}
	seconds, n := binary.Varint(d.left)
	if n <= 0 {
		d.fail()
		return
	}
	d.left = d.left[n:]
	nanos := d.uvarint()
	if nanos >= uint64(time.Second) {
		d.fail()
		return
	}
	d.found = time.Unix(before+seconds, int64(nanos)).UTC()
	if d.found.IsZero() {
		d.fail() // it would have been left out
	}
}

func (d *decoder) uvarint() uint64 {
	if len(d.left) > 0 && d.left[0] < 0x80 {
		n := d.left[0]
		d.left = d.left[1:]
		return uint64(n)
	}
	v, n := binary.Uvarint(d.left)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.left = d.left[n:]
	return v
}

func (d *decoder) number() int {
	v := d.uvarint()
	if uint64(int(v)) != v {
		d.fail()
	}
	return int(v)
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.left)) {
		d.fail()
		return nil
	}
	p := d.left[:n:n]
	d.left = d.left[n:]
	return p
}

func (d *decoder) fail() { d.left, d.bad = nil, true }
