package retl

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// FuzzEntryDecoder reads any bytes as the payload of a frame: it ends, and what it has read is read again from what is made of it.
func FuzzEntryDecoder(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 1))
	var x entryEncoder
	for range 5 {
		x.reset()
		for range 5 {
			e := randomEntry(randomKey(random), random)
			x.add(&e)
		}
		f.Add(bytes.Clone(x.buf))
	}
	f.Add(appendMark(appendMark(nil, "", &Mark{Key: "key1", Accepted: 1, Seen: 2, GivenUp: 7, Tries: 3}), "key1", &Mark{Key: "key2", Accepted: 1 << 63}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d decoder
		var x entryEncoder
		var entries []Entry
		d.reset(data)
		for e := (Entry{}); d.entry(&e); {
			if e.Key == "" {
				t.Fatal("an entry without a key")
			}
			entries = append(entries, own(e))
			x.add(&e)
		}
		if !d.bad && len(d.left) > 0 {
			t.Fatal("it ended before the end")
		}
		d.reset(x.buf)
		for _, want := range entries {
			if e := (Entry{}); !d.entry(&e) || !equalEntries(e, want) {
				t.Fatalf("%+v is read again as %+v", want, e)
			}
		}
		if e := (Entry{}); d.entry(&e) || d.bad {
			t.Fatal("more is read again")
		}
		var marks []Mark
		var again []byte
		before := ""
		d.reset(data)
		for m := (Mark{}); d.mark(&m); {
			again = appendMark(again, before, &m)
			before = m.Key
			marks = append(marks, m)
		}
		d.reset(again)
		for _, want := range marks {
			if m := (Mark{}); !d.mark(&m) || m != want {
				t.Fatalf("%+v is read again as %+v", want, m)
			}
		}
	})
}

// FuzzBase opens any bytes as a base, as they are and with checksums that are right: it is refused, or read in order, and what is read can be
// committed and read again.
func FuzzBase(f *testing.F) {
	mem := vfstest.NewMem()
	stateWith(f, mem, 12).Close()
	whole, _ := mem.ReadFile("state")
	body := whole[stateHeadBytes:]
	f.Add([]byte{}, []byte{}, uint32(0), false)
	f.Add(body[:20], body[20:], uint32(1), false)
	var x entryEncoder
	for _, key := range []string{"1", "2", "10", "a"} {
		x.add(&Entry{Key: key, Row: []byte(key)})
	}
	f.Add([]byte(`{"model":"m"}`), bytes.Clone(x.buf), uint32(4), true)
	f.Add([]byte(`{"model":"m"}`), append(bytes.Clone(x.buf), x.buf...), uint32(8), true)
	f.Fuzz(func(t *testing.T, head, frames []byte, count uint32, mended bool) {
		mem := vfstest.NewMem()
		data := slices.Concat(head, frames)
		if mended {
			h := fileHead{kind: baseFile, id: 7, body: head}
			data = appendFrame(h.append(nil), frames, h.crc, 0)
			data = appendFrame(data, []byte{byte(count), byte(count >> 8), byte(count >> 16), byte(count >> 24), 0, 0, 0, 0}, h.crc, endOfFrames)
		}
		mem.WriteFile("state", data)
		s, err := openMem(mem)
		if err != nil {
			return
		}
		defer s.Close()
		entries, err := readState(s)
		if err != nil {
			return
		}
		for i := 1; i < len(entries); i++ {
			if CompareKeys(entries[i-1].Key, entries[i].Key) >= 0 {
				t.Fatal("entries are not in order")
			}
		}
		if err := s.Sent(bg, []Mark{{Key: "10"}}); err != nil {
			t.Fatal(err)
		}
		again, err := readState(s)
		if err != nil {
			t.Fatal(err)
		}
		for i := range entries {
			if entries[i].Key == "10" {
				entries[i].Accepted, entries[i].Seen, entries[i].Tries = 0, 0, 0
			}
		}
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Gone })
		if !slices.EqualFunc(entries, again, equalEntries) {
			t.Fatalf("%+v became %+v", entries, again)
		}
	})
}

// FuzzFrames reads any bytes as frames: it ends, and gives what is there.
func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("one"), 5, 0), nil, 5, endOfFrames), uint32(5))
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 1}, uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, seed uint32) {
		r := newFrameReader(bytes.NewReader(data), 0, int64(len(data)), seed)
		var again []byte
		for {
			payload, end, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				if _, ok := err.(damage); !ok {
					t.Fatal(err)
				}
				return
			}
			mark := uint32(0)
			if end {
				mark = endOfFrames
			}
			again = appendFrame(again, payload, seed, mark)
		}
		if !bytes.Equal(again, data) {
			t.Fatal("what was read is not what was there")
		}
	})
}

func FuzzCompareKeys(f *testing.F) {
	f.Add("1", "10", "2")
	f.Add("-7", "007", "7")
	f.Add("", "-0", "0")
	f.Add("999999999999999999", "1000000000000000000", "99999999999999999a")
	f.Fuzz(requireTotalOrder)
}

func requireTotalOrder(t *testing.T, a, b, c string) {
	for _, keys := range [][3]string{{a, b, c}, {b, c, a}, {c, a, b}, {b, a, c}, {a, c, b}, {c, b, a}} {
		x, y, z := keys[0], keys[1], keys[2]
		if (CompareKeys(x, y) == 0) != (x == y) {
			t.Fatalf("%q and %q compare as %d", x, y, CompareKeys(x, y))
		}
		if CompareKeys(x, y) != -CompareKeys(y, x) {
			t.Fatalf("%q and %q are in no order", x, y)
		}
		if CompareKeys(x, y) <= 0 && CompareKeys(y, z) <= 0 && CompareKeys(x, z) > 0 {
			t.Fatalf("%q, %q, %q are in no order", x, y, z)
		}
		if got := compareSorted(x, y); got != CompareKeys(x, y) {
			t.Fatalf("compareSorted(%q, %q) is %d", x, y, got)
		}
	}
}

func TestCompareKeysIsATotalOrder(t *testing.T) {
	keys := []string{"", "-", "-0", "-1", "-10", "-2", "0", "00", "01", "1", "10", "11", "1a", "2", "9", "12345678901234567", "999999999999999999",
		"1000000000000000000", "-999999999999999999", "a", "ab", "b", "+1", "1 ", "\x00", "\xff", "10a", "1e5", "é"}
	for _, a := range keys {
		for _, b := range keys {
			for _, c := range keys {
				requireTotalOrder(t, a, b, c)
			}
		}
	}
}
