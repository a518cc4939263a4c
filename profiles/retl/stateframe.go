package retl

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Each file of a state begins with a header:
//
//	0  magic    4
//	4  format   1
//	5  kind     1  base, sending, sent or head
//	6  zero     2
//	8  id       8  of the base; of the base that it belongs to where the file is not the base
//	16 parent   8  in a base: the id of the base that it took the place of
//	24 length   4  of the body
//	28 CRC      4  of all before it and the body
//	32 body        the Head as JSON in a base and in a head, else nothing
//
// In all but a head, frames follow:
//
//	0  length   4  of the payload, with the highest bit set in the last frame of a base
//	4  CRC      4  of the length and the payload, from the header's CRC on
//	8  payload     entries, or the log's place and marks; the number of entries in the last frame of a base
//
// Numbers are little-endian, CRCs are CRC-32C. As the CRCs of frames begin with the header's, what is left over from another file is
// no frame.
const (
	stateFormat    = 1
	stateHeadBytes = 32
	frameHeadBytes = 8
	endFrameBytes  = frameHeadBytes + 8
	endOfFrames    = 1 << 31

	blockBytes = 64 << 10        // a frame is closed once it is so large
	entryBytes = 32 << 20        // the most that a key and a row may have together
	frameBytes = entryBytes << 1 // no frame is larger
	headBytes  = entryBytes      // and no Head
	readBytes  = blockBytes * 4  // how much is read at once
	writeBytes = readBytes       // and written
)

var stateMagic = [4]byte{0xf8, 'S', 'P', 'E'}

type fileKind byte

const (
	baseFile fileKind = 'b'
	sendFile fileKind = 's'
	sentFile fileKind = 'm'
	headFile fileKind = 'h'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A fileHead is the header of a file. Its CRC is where the CRCs of the file's frames begin.
type fileHead struct {
	kind       fileKind
	id, parent uint64
	body       []byte
	crc        uint32
}

func (h *fileHead) size() int64 { return stateHeadBytes + int64(len(h.body)) }

// append appends the header, and works out its CRC.
func (h *fileHead) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, stateMagic[:]...)
	dst = append(dst, stateFormat, byte(h.kind), 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, h.id)
	dst = binary.LittleEndian.AppendUint64(dst, h.parent)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.body)))
	h.crc = crc32.Update(crc32.Checksum(dst[start:], castagnoli), castagnoli, h.body)
	dst = binary.LittleEndian.AppendUint32(dst, h.crc)
	return append(dst, h.body...)
}

// errLaterFormat says that a file was written by a later version.
var errLaterFormat = errors.New("it was written by a later version of this library")

// readFileHead reads the header of a file of that many bytes. The error is a damage, errLaterFormat, or one of reading.
func readFileHead(r io.ReaderAt, size int64, kind fileKind) (fileHead, error) {
	p := make([]byte, stateHeadBytes)
	if size < stateHeadBytes {
		return fileHead{}, damage("it is cut short")
	}
	if err := readFull(r, p, 0); err != nil {
		return fileHead{}, err
	}
	if [4]byte(p) != stateMagic {
		return fileHead{}, damage("it does not begin as a state does")
	}
	if p[4] > stateFormat {
		return fileHead{}, errLaterFormat
	}
	h := fileHead{kind: fileKind(p[5]), id: binary.LittleEndian.Uint64(p[8:]), parent: binary.LittleEndian.Uint64(p[16:]),
		crc: binary.LittleEndian.Uint32(p[28:])}
	length := binary.LittleEndian.Uint32(p[24:])
	if length > headBytes || int64(length) > size-stateHeadBytes {
		return fileHead{}, damage("its header is damaged")
	}
	h.body = make([]byte, length)
	if err := readFull(r, h.body, stateHeadBytes); err != nil {
		return fileHead{}, err
	}
	if crc := crc32.Checksum(p[:28], castagnoli); p[4] != stateFormat || h.kind != kind || crc32.Update(crc, castagnoli, h.body) != h.crc {
		return fileHead{}, damage("its header is damaged")
	}
	return h, nil
}

// readFull reads all of p. That the file ends before is damage.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF || err == nil:
		return damage("it is cut short")
	}
	return err
}

// appendFrame appends a frame to dst. end is 0, or endOfFrames for the last one of a base.
func appendFrame(dst, payload []byte, seed, end uint32) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload))|end)
	crc := crc32.Update(crc32.Update(seed, castagnoli, dst[start:]), castagnoli, payload)
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	return append(dst, payload...)
}

// A frameReader reads the frames of a part of a file.
type frameReader struct {
	r    *bufio.Reader
	left int64 // bytes that are still to be read
	seed uint32
	head [frameHeadBytes]byte
	buf  []byte
}

// newFrameReader reads from one place of a file to another, which is not more than the file has.
func newFrameReader(r io.ReaderAt, from, to int64, seed uint32) *frameReader {
	size := max(min(to-from, readBytes), 16)
	return &frameReader{r: bufio.NewReaderSize(io.NewSectionReader(r, from, to-from), int(size)), left: to - from, seed: seed}
}

// next returns the payload of the next frame, which is good until next is called again, and whether it is a base's last. The error is
// io.EOF where the part has ended, a damage, or one of reading.
func (f *frameReader) next() (payload []byte, end bool, err error) {
	if f.left == 0 {
		return nil, false, io.EOF
	}
	if f.left < frameHeadBytes {
		return nil, false, damage("it is cut short")
	}
	if err := f.read(f.head[:]); err != nil {
		return nil, false, err
	}
	length := binary.LittleEndian.Uint32(f.head[:])
	end = length&endOfFrames != 0
	length &^= endOfFrames
	if length > frameBytes || int64(length) > f.left {
		return nil, false, damage("a part of it is damaged or cut short")
	}
	if cap(f.buf) < int(length) {
		f.buf = make([]byte, length, max(int(length), blockBytes+blockBytes/4))
	}
	f.buf = f.buf[:length]
	if err := f.read(f.buf); err != nil {
		return nil, false, err
	}
	crc := crc32.Update(crc32.Update(f.seed, castagnoli, f.head[:4]), castagnoli, f.buf)
	if crc != binary.LittleEndian.Uint32(f.head[4:]) {
		return nil, false, damage("a part of it is damaged")
	}
	return f.buf, end, nil
}

func (f *frameReader) read(p []byte) error {
	n, err := io.ReadFull(f.r, p)
	f.left -= int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damage("it is cut short")
	}
	return err
}
