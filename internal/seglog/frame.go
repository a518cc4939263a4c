package seglog

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A frame is a header of 33 bytes and the record:
//
//	0  magic        4
//	4  length       4  of the record
//	8  header CRC   4  of the header without this field, from the log's seed on
//	12 record CRC   4
//	16 seq          8
//	24 time         8  nanoseconds since 1970
//	32 version      1  Config.Version
//
// Numbers are little-endian, CRCs are CRC-32C. The header's own CRC makes its length trustworthy, and a header findable after damage.
// Its seed comes from the log's salt: what looks like a frame within somebody's record, or is left over from another log, is none.
const (
	frameHeader   = 33
	segmentHeader = 36
	formatVersion = 1
)

// The magics' first bytes do not occur in UTF-8 text, so that a search for one is not held up by JSON.
var (
	frameMagic   = []byte{0xf5, 'S', 'P', 'R'}
	ackMagic     = []byte{0xf6, 'S', 'P', 'A'}
	segmentMagic = []byte{0xf7, 'S', 'P', 'S'}
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// A header is what a frame's header says.
type header struct {
	length  int
	crc     uint32 // of the record
	seq     Seq
	at      int64
	version uint8
}

func (h header) size() int64 { return frameHeader + int64(h.length) }

// appendFrame appends a frame whose seq and header CRC are still to be filled in.
func appendFrame(dst, record []byte, crc uint32, now time.Time, version uint8) []byte {
	dst = append(dst, frameMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(now.UnixNano()))
	dst = append(dst, version)
	return append(dst, record...)
}

// number fills in the seqs, counted from first, and the header CRCs of the frames in buf, and returns how many there are.
func number(buf []byte, first Seq, seed uint32) int {
	n := 0
	for len(buf) > 0 {
		binary.LittleEndian.PutUint64(buf[16:], uint64(first)+uint64(n))
		binary.LittleEndian.PutUint32(buf[8:], headerCRC(buf, seed))
		buf = buf[frameHeader+int(binary.LittleEndian.Uint32(buf[4:])):]
		n++
	}
	return n
}

func headerCRC(h []byte, seed uint32) uint32 {
	crc := crc32.Update(seed, castagnoli, h[:8])
	return crc32.Update(crc, castagnoli, h[12:frameHeader])
}

// parseHeader reads the header at the start of p, and tells whether there is a valid one.
func parseHeader(p []byte, seed uint32) (header, bool) {
	if len(p) < frameHeader || !bytes.Equal(p[:4], frameMagic) {
		return header{}, false
	}
	length := binary.LittleEndian.Uint32(p[4:])
	if length > LargestRecord || binary.LittleEndian.Uint32(p[8:]) != headerCRC(p, seed) {
		return header{}, false
	}
	return header{
		length:  int(length),
		crc:     binary.LittleEndian.Uint32(p[12:]),
		seq:     Seq(binary.LittleEndian.Uint64(p[16:])),
		at:      int64(binary.LittleEndian.Uint64(p[24:])),
		version: p[32],
	}, true
}

// A segment begins with a header of 36 bytes:
//
//	0  magic     4
//	4  format    1
//	5  mode      1  Config.Mode of who wrote it
//	6  attempt   2
//	8  queue id 16
//	24 base      8  the first seq
//	32 CRC       4  of all before it, from the log's seed on
type segmentHead struct {
	mode    Mode
	attempt uint16
	base    Seq
}

func appendSegmentHead(dst []byte, h segmentHead, id [16]byte, seed uint32) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = append(dst, formatVersion, byte(h.mode))
	dst = binary.LittleEndian.AppendUint16(dst, h.attempt)
	dst = append(dst, id[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.base))
	return binary.LittleEndian.AppendUint32(dst, crc32.Update(seed, castagnoli, dst[start:]))
}

func parseSegmentHead(p []byte, id [16]byte, seed uint32) (segmentHead, bool) {
	if len(p) < segmentHeader || !bytes.Equal(p[:4], segmentMagic) || !bytes.Equal(p[8:24], id[:]) ||
		binary.LittleEndian.Uint32(p[32:]) != crc32.Update(seed, castagnoli, p[:32]) {
		return segmentHead{}, false
	}
	return segmentHead{Mode(p[5]), binary.LittleEndian.Uint16(p[6:]), Seq(binary.LittleEndian.Uint64(p[24:]))}, true
}
