package seglog

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// An acknowledgement file is frames of its own kind:
//
//	0 magic  4
//	4 length 4  of what follows the CRC
//	8 CRC    4  of the length and of what follows, from the log's seed on
//
// and then a letter: 'A', and pairs of varints, each the distance from the end of the range before it (0 at first) and the number of seqs
// after the range's first one; or 'D', and a varint: all records below that seq are on the disk.
//
// It is read leniently: a frame that is damaged is passed over. What it acknowledged comes back.
const (
	ackHeader   = 12
	ackFrameMax = 16 << 10
)

// An ackEncoder writes ranges as frames of bounded size.
type ackEncoder struct {
	seed uint32
	buf  []byte
	open int // where the frame that is being written starts, -1 where none is
	end  Seq // the last seq that it has
}

func (e *ackEncoder) add(r seqRange) {
	if e.open >= 0 && len(e.buf)-e.open > ackFrameMax-2*binary.MaxVarintLen64 {
		e.close()
	}
	if e.open < 0 {
		e.begin('A')
		e.end = 0
	}
	e.buf = binary.AppendUvarint(e.buf, uint64(r.first-e.end))
	e.buf = binary.AppendUvarint(e.buf, uint64(r.last-r.first))
	e.end = r.last
}

func (e *ackEncoder) durable(seq Seq) {
	e.close()
	e.begin('D')
	e.buf = binary.AppendUvarint(e.buf, uint64(seq))
	e.close()
}

func (e *ackEncoder) begin(letter byte) {
	e.open = len(e.buf)
	e.buf = append(e.buf, ackMagic...)
	e.buf = append(e.buf, 0, 0, 0, 0, 0, 0, 0, 0, letter)
}

func (e *ackEncoder) close() {
	if e.open < 0 {
		return
	}
	frame := e.buf[e.open:]
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)-ackHeader))
	binary.LittleEndian.PutUint32(frame[8:], ackCRC(frame, e.seed))
	e.open = -1
}

func ackCRC(frame []byte, seed uint32) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, frame[4:8]), castagnoli, frame[ackHeader:])
}

// An ackReader is told what an acknowledgement file says.
type ackReader struct {
	acked   func(r seqRange)
	durable func(seq Seq)
}

// parseAcks reads the frames of p, and returns how many bytes of it are not part of a good one. more says that p is not the end of the file:
// then the last bytes may be a frame's beginning, and rest is how many of them have not been judged.
func parseAcks(p []byte, seed uint32, more bool, tell ackReader) (damaged, rest int) {
	for len(p) > 0 {
		size, state := parseAckFrame(p, seed, tell)
		switch {
		case state == ackGood:
			p = p[size:]
			continue
		case state == ackShort && more:
			return damaged, len(p)
		}
		next := bytes.Index(p[1:], ackMagic)
		if next < 0 {
			if keep := len(ackMagic) - 1; more && len(p) > keep {
				return damaged + len(p) - keep, keep
			}
			return damaged + len(p), 0
		}
		damaged += next + 1
		p = p[next+1:]
	}
	return damaged, 0
}

const (
	ackGood = iota
	ackBad
	ackShort // may be good when there is more of it
)

func parseAckFrame(p []byte, seed uint32, tell ackReader) (size, state int) {
	if len(p) < ackHeader {
		return 0, ackShort
	}
	if !bytes.Equal(p[:4], ackMagic) {
		return 0, ackBad
	}
	length := binary.LittleEndian.Uint32(p[4:])
	if length < 1 || length > ackFrameMax {
		return 0, ackBad
	}
	size = ackHeader + int(length)
	if len(p) < size {
		return 0, ackShort
	}
	if p = p[:size]; binary.LittleEndian.Uint32(p[8:]) != ackCRC(p, seed) {
		return 0, ackBad
	}
	if !parseAckBody(p[ackHeader:], tell) {
		return 0, ackBad
	}
	return size, ackGood
}

// parseAckBody reads what a frame says, and tells whether it makes sense. It tells nothing of one that does not.
func parseAckBody(p []byte, tell ackReader) bool {
	letter, p := p[0], p[1:]
	switch letter {
	case 'D':
		seq, n := binary.Uvarint(p)
		if n != len(p) || n <= 0 {
			return false
		}
		tell.durable(Seq(seq))
		return true
	case 'A':
		return eachAck(p, func(seqRange) {}) && eachAck(p, tell.acked)
	}
	return false
}

func eachAck(p []byte, visit func(r seqRange)) bool {
	end := Seq(0)
	for len(p) > 0 {
		distance, n := binary.Uvarint(p)
		if n <= 0 {
			return false
		}
		more, m := binary.Uvarint(p[n:])
		if m <= 0 {
			return false
		}
		p = p[n+m:]
		first := end + Seq(distance)
		last := first + Seq(more)
		if distance == 0 || first < end || last < first {
			return false
		}
		visit(seqRange{first, last})
		end = last
	}
	return true
}
