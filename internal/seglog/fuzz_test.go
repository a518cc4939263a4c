package seglog

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// FuzzScan reads any bytes as a segment: it ends, it covers every byte once, it finds nothing that is not there, and where a log is made of them, the
// log opens, and opens again without finding anything new.
func FuzzScan(f *testing.F) {
	m := fuzzManifest()
	seed := m.seed()
	head := appendSegmentHead(nil, segmentHead{Sync, 0, 1}, m.id, seed)
	frames := fuzzFrames(seed, "a", "", "the third record", "4")
	for _, mended := range []bool{false, true} {
		f.Add(append(bytes.Clone(head), frames...), mended)
		f.Add(append(bytes.Clone(head), frames[:len(frames)-3]...), mended)
		f.Add(append(append(append(bytes.Clone(head), frames...), "garbage"...), frames...), mended)
		f.Add(append(append(bytes.Clone(head), frames[40:]...), make([]byte, 100)...), mended)
		f.Add([]byte{}, mended)
	}
	f.Fuzz(func(t *testing.T, data []byte, mended bool) {
		if mended {
			data = bytes.Clone(data)
			mend(data, seed)
		}
		sc := scanner{r: bytes.NewReader(data), seed: seed, size: int64(len(data)), off: min(segmentHeader, int64(len(data))), seq: 1}
		at, seq := sc.off, Seq(1)
		for {
			got, err := sc.next()
			if err != nil {
				t.Fatal(err)
			}
			if got.off != at {
				t.Fatalf("found something at %d, expected at %d", got.off, at)
			}
			at += got.size
			if got.kind == foundEnd {
				break
			}
			if got.kind == foundRecord {
				if h, ok := parseHeader(data[got.off:], seed); !ok || h != got.head || checksum(got.record) != h.crc || h.seq < seq ||
					!bytes.Equal(got.record, data[got.off+frameHeader:got.off+got.size]) {
					t.Fatalf("a record at %d that is none", got.off)
				}
				seq = got.head.seq + 1
			} else if got.size == 0 && got.lost == 0 {
				t.Fatal("damage of nothing")
			}
		}
		if at != int64(len(data)) {
			t.Fatalf("%d of %d bytes were looked at", at, len(data))
		}

		mem := vfstest.NewMem()
		text, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		mem.WriteFile(manifestName, text)
		mem.WriteFile(segmentName(1, 0), data)
		l, _, err := Open(mem, Config{AcceptMissing: true})
		if err != nil {
			return // a segment of another name
		}
		got, damages := readAllRecords(t, l)
		if len(damages) > 0 || l.Stats().Records != int64(len(got)) {
			t.Fatalf("%v, %+v", damages, l.Stats())
		}
		mustClose(t, l)
		l, found := mustOpen(t, mem, Config{})
		if found.Records != int64(len(got)) || found.TornBytes != 0 || found.QuarantinedRegions != 0 {
			t.Fatalf("opened again: %+v, want %d records", found, len(got))
		}
		mustClose(t, l)
	})
}

func fuzzManifest() manifest {
	m := manifest{id: [16]byte{1, 2, 3}, salt: [32]byte{4, 5, 6}}
	return m
}

// mend gives all that begins like a frame a good header CRC, so that lengths and numbers of all kinds get past it.
func mend(data []byte, seed uint32) {
	for at := 0; ; at += len(frameMagic) {
		next := bytes.Index(data[at:], frameMagic)
		if next < 0 || at+next+frameHeader > len(data) {
			return
		}
		at += next
		binary.LittleEndian.PutUint32(data[at+8:], headerCRC(data[at:], seed))
	}
}

func fuzzFrames(seed uint32, records ...string) []byte {
	var buf []byte
	for _, r := range records {
		buf = appendFrame(buf, []byte(r), checksum([]byte(r)), testTime, 1)
	}
	number(buf, 1, seed)
	return buf
}

// FuzzAcks reads any bytes as an acknowledgement file, whole and in pieces: the same comes of it, and what is read makes sense.
func FuzzAcks(f *testing.F) {
	const seed = 99
	e := ackEncoder{seed: seed, open: -1}
	for seq := Seq(1); seq < 400; seq += 3 {
		e.add(seqRange{seq, seq + 1})
	}
	e.durable(1000)
	e.add(seqRange{5000, 1 << 60})
	e.close()
	f.Add(e.buf, uint16(10))
	f.Add(append([]byte("garbage"), e.buf...), uint16(100))
	f.Add(append(append(bytes.Clone(e.buf[:50]), ackMagic...), e.buf...), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		var ranges []seqRange
		var durable []Seq
		tell := ackReader{acked: func(r seqRange) { ranges = append(ranges, r) }, durable: func(s Seq) { durable = append(durable, s) }}
		damaged, rest := parseAcks(data, seed, false, tell)
		if rest != 0 || damaged < 0 || damaged > len(data) {
			t.Fatalf("%d damaged, %d left of %d", damaged, rest, len(data))
		}
		for _, r := range ranges {
			if r.first == 0 || r.last < r.first {
				t.Fatalf("%+v", r)
			}
		}
		whole, wholeDurable := ranges, durable
		ranges, durable = nil, nil
		size := int(piece) + ackFrameMax + 2*ackHeader
		total, kept := 0, []byte(nil)
		for at := 0; ; at += size {
			end := min(at+size, len(data))
			kept = append(kept, data[at:end]...)
			damaged, rest := parseAcks(kept, seed, end < len(data), tell)
			total += damaged
			if end == len(data) {
				break
			}
			kept = bytes.Clone(kept[len(kept)-rest:])
		}
		if total != damaged || len(ranges) != len(whole) || len(durable) != len(wholeDurable) {
			t.Fatalf("in pieces: %d damaged, %d ranges; whole: %d, %d", total, len(ranges), damaged, len(whole))
		}
	})
}

// FuzzManifest reads any bytes as a MANIFEST: what is accepted is written and read as the same.
func FuzzManifest(f *testing.F) {
	m := newManifest([]byte("identity"), 3)
	data, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(data[1:])
	f.Add(bytes.Replace(data, []byte("seglog 1"), []byte("seglog 2"), 2))
	f.Add([]byte("seglog 1 00000000 {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, whole, err := parseManifest(data)
		if err != nil {
			return
		}
		encoded, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, againWhole, err := parseManifest(encoded)
		if err != nil || !againWhole || again.id != m.id || again.salt != m.salt || again.version != m.version || !bytes.Equal(again.identity, m.identity) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
		if whole != bytes.Equal(encoded, data) {
			t.Fatalf("whole is %v", whole)
		}
	})
}

// FuzzAckSet holds the set against a map.
func FuzzAckSet(f *testing.F) {
	f.Add(uint64(1), uint16(50))
	f.Add(uint64(2), uint16(500))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		random := rand.New(rand.NewPCG(seed, 1))
		var set ackSet
		want := map[Seq]bool{}
		const most = 5 * pageSeqs
		for range steps % 600 {
			first := Seq(1 + random.IntN(most))
			last := first + Seq(random.IntN(40))
			if random.IntN(10) == 0 {
				last = first + Seq(random.IntN(3*pageSeqs))
			}
			if random.IntN(2) == 0 {
				if set.add(first) == want[first] {
					t.Fatalf("add(%d)", first)
				}
				want[first] = true
				continue
			}
			set.addRange(first, last)
			for seq := first; seq <= last; seq++ {
				want[seq] = true
			}
		}
		for seq := Seq(0); seq < most+4*pageSeqs; seq++ {
			if set.has(seq) != want[seq] {
				t.Fatalf("has(%d) is %v", seq, set.has(seq))
			}
		}
		from, to := Seq(1+random.IntN(most)), Seq(1+random.IntN(most))
		n, end := int64(0), Seq(0)
		set.each(from, to, func(r seqRange) {
			if r.first < from || r.last > to || r.first > r.last || end != 0 && r.first <= end+1 {
				t.Fatalf("%+v between %d and %d, after %d", r, from, to, end)
			}
			end = r.last
			for seq := r.first; seq <= r.last; seq++ {
				if !want[seq] {
					t.Fatalf("%d is not in the set", seq)
				}
				n++
			}
		})
		counted := int64(0)
		for seq := range want {
			if seq >= from && seq <= to {
				counted++
			}
		}
		if n != counted || set.count(from, to) != counted {
			t.Fatalf("%d, %d and %d from %d to %d", n, set.count(from, to), counted, from, to)
		}
	})
}

func TestAckSetHoldsHugeRanges(t *testing.T) {
	var set ackSet
	started := time.Now()
	set.addRange(1, 1<<62)
	set.addRange(1<<61, 1<<63)
	if !set.has(1<<62+5) || set.has(1<<63+1) || set.count(1, 1<<63) != -1<<63 && set.top != 1<<63 {
		t.Errorf("top %d", set.top)
	}
	if len(set.full) != 1 || len(set.pages) > 2 || time.Since(started) > time.Second {
		t.Errorf("%d ranges, %d pages", len(set.full), len(set.pages))
	}
}

// FuzzFooter puts any bytes behind the frames of a segment: what is taken for a footer makes sense, and the log serves what is in the frames
// and nothing else. Where the bytes were not made to pass for a footer, it serves all of it.
func FuzzFooter(f *testing.F) {
	m := fuzzManifest()
	seed := m.seed()
	records := []string{"a", "", "the third record", "4"}
	whole := append(appendSegmentHead(nil, segmentHead{Sync, 0, 1}, m.id, seed), fuzzFrames(seed, records...)...)
	x := newIndex(1)
	x.addFrames(whole[segmentHeader:])
	footer := appendFooter(nil, &x, 1, 0, seed)
	lies := newIndex(1)
	for _, seq := range []Seq{2, 3, 900, 901} {
		lies.add(seq, 7)
	}
	for _, mended := range []bool{false, true} {
		f.Add(footer, mended)
		f.Add(footer[1:], mended)
		f.Add(footer[:len(footer)-1], mended)
		f.Add(append(bytes.Clone(footer), footer...), mended)
		f.Add(appendFooter(nil, &lies, 1, 0, seed), mended)
		f.Add(append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, footer...), mended)
		f.Add([]byte{}, mended)
	}
	f.Fuzz(func(t *testing.T, tail []byte, mended bool) {
		tail = bytes.Clone(tail)
		if mended {
			mendFooter(tail, int64(len(whole)), seed)
		}
		data := append(bytes.Clone(whole), tail...)
		length := footerLength(data, 1, 0, int64(len(data)))
		if length < 0 || length > int64(len(data)-segmentHeader) {
			t.Fatalf("a footer of %d bytes, in %d", length, len(data))
		}
		if length > 0 {
			requireSense(t, data[int64(len(data))-length:], seed)
		}

		mem := vfstest.NewMem()
		text, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		mem.WriteFile(manifestName, text)
		mem.WriteFile(segmentName(1, 0), data)
		l, _ := mustOpen(t, mem, Config{})
		got, damages := readAllRecords(t, l)
		for seq, record := range got {
			if seq > 4 || record != records[seq-1] {
				t.Fatalf("record %d is served as %.20q", seq, record)
			}
		}
		if !mended && (len(got) != len(records) || len(damages) > 0) {
			t.Fatalf("%d records, %v", len(got), damages)
		}
		if s := l.Stats(); s.Records != int64(len(got)) {
			t.Fatalf("%d records were read, and it says %+v", len(got), s)
		}
		mustClose(t, l)
		l, found := mustOpen(t, mem, Config{})
		if found.Records != int64(len(got)) {
			t.Fatalf("opened again: %+v, want %d records", found, len(got))
		}
		mustClose(t, l)
	})
}

// requireSense fails where what passes for a good footer lists what cannot be.
func requireSense(t *testing.T, footer []byte, seed uint32) {
	x, ok := parseFooter(footer, 1, seed)
	if !ok {
		return
	}
	at, next := int64(segmentHeader), Seq(1)
	x.each(1, func(seq Seq, size int64) {
		if seq < next || size < frameHeader || size > frameHeader+LargestRecord {
			t.Fatalf("a frame of number %d and %d bytes, after %d", seq, size, next)
		}
		at, next = at+size, seq+1
	})
	if at != x.size || next != x.next || next == 1 {
		t.Fatalf("frames up to %d and number %d, and it says %d and %d", at, next, x.size, x.next)
	}
}

// mendFooter makes the last bytes of tail those of a footer, so that lists of all kinds get past its CRC.
func mendFooter(tail []byte, size int64, seed uint32) {
	if len(tail) < trailerSize {
		return
	}
	p := tail[len(tail)-trailerSize:]
	copy(p, footerMagic)
	binary.LittleEndian.PutUint64(p[8:], 1)
	binary.LittleEndian.PutUint64(p[16:], uint64(size))
	binary.LittleEndian.PutUint32(p[24:], uint32(len(tail)-trailerSize))
	binary.LittleEndian.PutUint16(p[28:], 0)
	binary.LittleEndian.PutUint32(p[4:], footerCRC(tail, seed))
}
