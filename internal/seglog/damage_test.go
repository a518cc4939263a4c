package seglog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// filled returns a closed log of three segments, ten records in all, of which two are acknowledged, and what it owes.
func filled(t testing.TB) (*vfstest.Mem, map[Seq]string) {
	t.Helper()
	mem := vfstest.NewMem()
	l, _ := mustOpen(t, mem, Config{SegmentBytes: 600})
	want := map[Seq]string{}
	for i := range 10 {
		record := fmt.Sprintf("%02d", i) + strings.Repeat("x", 60+10*i)
		want[mustAppend(t, l, record)] = record
	}
	l.Ack(2, 9)
	delete(want, 2)
	delete(want, 9)
	mustClose(t, l)
	if n := len(segments(mem)); n != 3 {
		t.Fatalf("%d segments, want 3", n)
	}
	return mem, want
}

func segments(mem *vfstest.Mem) []string { return named(mem, segSuffix) }

func named(mem *vfstest.Mem, suffix string) []string {
	var names []string
	for _, name := range mem.Names() {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names
}

// requireUntouched fails where the files of two directories differ.
func requireUntouched(t testing.TB, before, after *vfstest.Mem) {
	t.Helper()
	if a, b := fmt.Sprint(before.Names()), fmt.Sprint(after.Names()); a != b {
		t.Fatalf("the files were %s and are %s", a, b)
	}
	for _, name := range before.Names() {
		a, _ := before.ReadFile(name)
		b, _ := after.ReadFile(name)
		if !bytes.Equal(a, b) {
			t.Fatalf("%s was changed", name)
		}
	}
}

// Row 39: the power goes off at every operation of a recovery that has everything to do, and then at every operation of the one after it.
func TestFault39CrashInRecovery(t *testing.T) {
	base, want := filled(t)
	names := segments(base)
	data, _ := base.ReadFile(names[1])
	data[segmentHeader+frameHeader+3] ^= 1 // a record of the second segment is damaged
	data[len(data)-1] ^= 1                 // and its footer, so that it is read
	base.WriteFile(names[1], data)
	last, _ := base.ReadFile(names[2])
	base.WriteFile(names[2], append(last, "torn"...))
	base.WriteFile("0000000000000099.ack.tmp", []byte("not finished"))
	lost := Seq(0)
	for seq := range want {
		if segment, _, _ := parseSegmentName(names[1]); seq >= segment && (lost == 0 || seq < lost) {
			lost = seq
		}
	}
	delete(want, lost)

	// open opens a log with the power going off at an operation, 0 for never, and tells whether it did.
	open := func(mem *vfstest.Mem, at int) (found Recovery, off bool, err error) {
		faults := vfstest.NewFaults(mem)
		if at > 0 {
			faults.PowerOff(at)
		}
		l, found, err := Open(faults, Config{SegmentBytes: 600})
		if err != nil && !faults.IsOff() {
			t.Fatalf("at %d: %v", at, err)
		}
		off = faults.IsOff()
		faults.PowerOff(1)
		if l != nil {
			l.Close()
		}
		return found, off, err
	}
	count := 0
	for first := 1; ; first++ {
		once := base.Kill()
		if _, off, _ := open(once, first); !off {
			break
		}
		for second := 1; ; second++ {
			twice := once.PowerCut(uint64(first))
			_, off, _ := open(twice, second)
			l, found := mustOpen(t, twice.PowerCut(uint64(second)), Config{SegmentBytes: 600})
			requireRecords(t, l, want)
			if found.QuarantinedRecords > 1 || found.Missing > 0 {
				t.Fatalf("at %d, then %d: %+v", first, second, found)
			}
			mustClose(t, l)
			count++
			if !off {
				break
			}
		}
	}
	if count < 100 {
		t.Errorf("%d recoveries, which is less than this recovery has operations", count)
	}
	t.Logf("%d recoveries", count)
}

// Row 41: the last batch is cut at every byte. What is before it stays, and it is reported once.
func TestFault41TornTail(t *testing.T) {
	for _, power := range []bool{false, true} {
		mem := vfstest.NewMem()
		l, _ := mustOpen(t, mem, Config{})
		want := map[Seq]string{1: "first", 2: "second"}
		mustAppend(t, l, "first", "second")
		size := len(must(mem.ReadFile(segments(mem)[0])))
		batch := []string{"third", strings.Repeat("4", 700), "fifth"}
		mustAppend(t, l, batch...)
		crashed := mem.Kill()
		name := segments(crashed)[0]
		whole := must(crashed.ReadFile(name))
		for cut := size; cut < len(whole); cut++ {
			torn := crashed.Kill()
			left := bytes.Clone(whole[:cut])
			if power {
				left = append(left, make([]byte, len(whole)-cut)...)
			}
			torn.WriteFile(name, left)
			l, found := mustOpen(t, torn, Config{})
			kept := maps.Clone(want)
			for i, end := 0, size; i < len(batch); i++ {
				if end += frameHeader + len(batch[i]); end <= cut {
					kept[Seq(3+i)] = batch[i]
				}
			}
			requireRecords(t, l, kept)
			end := size
			for seq := Seq(3); kept[seq] != ""; seq++ {
				end += frameHeader + len(kept[seq])
			}
			if found.TornBytes != int64(len(left)-end) || found.QuarantinedRegions > 0 {
				t.Fatalf("cut at %d: %+v", cut, found)
			}
			if next := mustAppend(t, l, "next"); next != Seq(len(kept)+1) {
				t.Fatalf("cut at %d: the next number is %d", cut, next)
			}
			mustClose(t, l)
			if _, found := mustOpen(t, torn, Config{}); found.TornBytes != 0 || found.Records != int64(len(kept)+1) {
				t.Fatalf("cut at %d, opened again: %+v", cut, found)
			}
		}
	}
}

func must(data []byte, ok bool) []byte {
	if !ok {
		panic("no such file")
	}
	return data
}

// Row 42: what may stand at the end of a file besides.
func TestFault42TailIsSomethingElse(t *testing.T) {
	garbage := make([]byte, 4096)
	for i := range garbage {
		garbage[i] = byte(i*i>>3 + i)
	}
	for name, change := range map[string]func(data []byte) (changed []byte, lost bool){
		"zeros allocated ahead":                 func(d []byte) ([]byte, bool) { return append(d, make([]byte, 64<<10)...), false },
		"4 KiB of garbage":                      func(d []byte) ([]byte, bool) { return append(d, garbage...), false },
		"garbage that looks like frames":        func(d []byte) ([]byte, bool) { return append(d, bytes.Repeat(frameMagic, 500)...), false },
		"a frame of another log":                func(d []byte) ([]byte, bool) { return append(d, foreignFrame(9)...), false },
		"the last sector zero":                  func(d []byte) ([]byte, bool) { clear(d[len(d)-200:]); return d, true },
		"an old frame of this log once more":    func(d []byte) ([]byte, bool) { return append(d, d[segmentHeader:segmentHeader+100]...), false },
		"a length that is more than the memory": func(d []byte) ([]byte, bool) { return append(d, hugeFrame()...), false },
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfstest.NewMem()
			l, _ := mustOpen(t, mem, Config{})
			want := map[Seq]string{}
			for i := range 5 {
				record := strings.Repeat(fmt.Sprint(i), 250)
				want[mustAppend(t, l, record)] = record
			}
			crashed := mem.Kill()
			file := segments(crashed)[0]
			data, lost := change(must(crashed.ReadFile(file)))
			crashed.WriteFile(file, data)
			if lost {
				delete(want, 5)
			}
			l, found := mustOpen(t, crashed, Config{})
			requireRecords(t, l, want)
			if found.TornBytes == 0 {
				t.Errorf("no torn bytes: %+v", found)
			}
			mustAppend(t, l, "next")
			mustClose(t, l)
			_, again := mustOpen(t, crashed, Config{})
			if again.TornBytes != 0 || again.Records != int64(len(want)+1) {
				t.Errorf("opened again: %+v", again)
			}
		})
	}
}

func foreignFrame(seq Seq) []byte {
	frame := appendFrame(nil, []byte("foreign"), checksum([]byte("foreign")), testTime, 0)
	number(frame, seq, 12345)
	return frame
}

func hugeFrame() []byte {
	frame := foreignFrame(6)
	binary.LittleEndian.PutUint32(frame[4:], 0xFFFFFFFF)
	return frame
}

// Row 43: one bit is flipped, at every byte of every file. At most one record is lost, none is served with other bytes, and what is lost is counted.
func TestFault43BitFlip(t *testing.T) {
	base, want := filled(t)
	tested, quarantined, met := 0, 0, 0
	for _, name := range base.Names() {
		data := must(base.ReadFile(name))
		if name == reserveName {
			continue
		}
		for i := range data {
			mem := base.Kill()
			flipped := bytes.Clone(data)
			flipped[i] ^= 1 << (i % 8)
			mem.WriteFile(name, flipped)
			where := fmt.Sprintf("%s, byte %d", name, i)
			l, found := mustOpen(t, mem, Config{SegmentBytes: 600})
			got, damages := readAllRecords(t, l)
			lost := requireSubset(t, where, got, want)
			if strings.HasSuffix(name, ackSuffix) || name == manifestName {
				if lost > 0 {
					t.Fatalf("%s: %d records are lost", where, lost)
				}
			} else if lost > 1 || lost != int(found.QuarantinedRecords)+len(damages) || len(got)+lost != len(want) {
				t.Fatalf("%s: %d records are lost, %d damages were met, %+v", where, lost, len(damages), found)
			}
			if s := l.Stats(); s.QuarantinedRecords != int64(lost) || s.Records != int64(len(got)) {
				t.Fatalf("%s: %d records are lost, %+v", where, lost, s)
			}
			met += len(damages)
			if lost > 0 && len(named(mem, brokenSuffix)) != 1 {
				t.Fatalf("%s: the damaged part is not kept", where)
			}
			mustClose(t, l)
			if _, again := mustOpen(t, mem, Config{SegmentBytes: 600}); again.QuarantinedRegions != 0 || again.Records != int64(len(got)) {
				t.Fatalf("%s: found again: %+v", where, again)
			}
			tested++
			quarantined += lost
		}
	}
	if tested < 1500 || quarantined < 800 || met < 500 || met == quarantined {
		t.Errorf("%d flips, %d records lost, %d of them found by a reader", tested, quarantined, met)
	}
}

// Row 43, while the log is open: the reader meets the damage.
func TestFault43BitFlipWhileOpen(t *testing.T) {
	base, want := filled(t)
	for _, name := range segments(base) {
		data := must(base.ReadFile(name))
		for i := range data {
			mem := base.Kill()
			l, _ := mustOpen(t, mem, Config{SegmentBytes: 600})
			flipped := bytes.Clone(data)
			flipped[i] ^= 0x40
			mem.WriteFile(name, flipped)
			got, damages := readAllRecords(t, l)
			where := fmt.Sprintf("%s, byte %d", name, i)
			lost := requireSubset(t, where, got, want)
			counted := 0
			for _, d := range damages {
				counted += int(d.Records)
			}
			if lost > 1 || counted != lost || l.Stats().QuarantinedRecords != int64(lost) || len(named(mem, brokenSuffix)) != lost {
				t.Fatalf("%s: %d lost, %d reported, %+v", where, lost, counted, l.Stats())
			}
			if _, damages = readAllRecords(t, l); len(damages) > 0 {
				t.Fatalf("%s: reported twice", where)
			}
			mustClose(t, l)
		}
	}
}

// requireSubset fails where something is served that was not appended under its number, and returns how many of what is wanted are not there.
func requireSubset(t testing.TB, where string, got, want map[Seq]string) int {
	t.Helper()
	for seq, payload := range got {
		if want[seq] != payload && seq != 2 && seq != 9 { // those were acknowledged and may come back
			t.Fatalf("%s: record %d is served as %.20q", where, seq, payload)
		}
	}
	lost := 0
	for seq := range want {
		if _, ok := got[seq]; !ok {
			lost++
		}
	}
	return lost
}

// Row 44: a length of 4 GiB, with a good header CRC even, allocates nothing of the kind.
func TestFault44HugeLength(t *testing.T) {
	base, _ := filled(t)
	manifest, _, err := parseManifest(must(base.ReadFile(manifestName)))
	if err != nil {
		t.Fatal(err)
	}
	name := segments(base)[2]
	data := must(base.ReadFile(name))
	for _, length := range []uint32{0xFFFFFFFF, 0x7FFFFFFF, LargestRecord + 1, LargestRecord, 1 << 20} {
		binary.LittleEndian.PutUint32(data[segmentHeader+4:], length)
		binary.LittleEndian.PutUint32(data[segmentHeader+8:], headerCRC(data[segmentHeader:], manifest.seed()))
		mem := base.Kill()
		mem.WriteFile(name, data)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l, found := mustOpen(t, mem, Config{SegmentBytes: 600})
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<20 {
			t.Errorf("length %d: %d bytes were allocated", length, grown)
		}
		if found.QuarantinedRecords > 1 {
			t.Errorf("length %d: %+v", length, found)
		}
		mustClose(t, l)
	}
}

// Row 45: somebody has been at the files. The log says so, or delivers again; it does not lose anything in silence.
func TestFault45FilesWereTamperedWith(t *testing.T) {
	for name, test := range map[string]struct {
		change func(mem *vfstest.Mem, old *vfstest.Mem)
		want   string // "missing", "corrupt" or "again"
	}{
		"first segment taken away":  {func(m, _ *vfstest.Mem) { m.Remove(segments(m)[0]) }, "missing"},
		"middle segment taken away": {func(m, _ *vfstest.Mem) { m.Remove(segments(m)[1]) }, "missing"},
		"last segment taken away":   {func(m, _ *vfstest.Mem) { m.Remove(segments(m)[2]) }, "missing"},
		"all segments taken away": {func(m, _ *vfstest.Mem) {
			for _, s := range segments(m) {
				m.Remove(s)
			}
		}, "missing"},
		"first segment emptied":  {func(m, _ *vfstest.Mem) { m.WriteFile(segments(m)[0], nil) }, "missing"},
		"middle segment emptied": {func(m, _ *vfstest.Mem) { m.WriteFile(segments(m)[1], nil) }, "missing"},
		"last segment emptied":   {func(m, _ *vfstest.Mem) { m.WriteFile(segments(m)[2], nil) }, "missing"},
		"middle segment zero": {func(m, _ *vfstest.Mem) {
			m.WriteFile(segments(m)[1], make([]byte, len(must(m.ReadFile(segments(m)[1])))))
		}, "quarantined"},
		"last segment zero": {func(m, _ *vfstest.Mem) {
			m.WriteFile(segments(m)[2], make([]byte, len(must(m.ReadFile(segments(m)[2])))))
		}, "quarantined"},
		"segment copied under a later number": {func(m, _ *vfstest.Mem) {
			m.WriteFile(segmentName(500, 0), must(m.ReadFile(segments(m)[1])))
		}, "corrupt"},
		"segment copied under another attempt": {func(m, _ *vfstest.Mem) {
			base, _, _ := parseSegmentName(segments(m)[1])
			m.WriteFile(segmentName(base, 7), must(m.ReadFile(segments(m)[1])))
		}, "corrupt"},
		"segments changed round": {func(m, _ *vfstest.Mem) {
			a, b := must(m.ReadFile(segments(m)[0])), must(m.ReadFile(segments(m)[1]))
			m.WriteFile(segments(m)[0], b)
			m.WriteFile(segments(m)[1], a)
		}, "corrupt"},
		"acknowledgements taken away": {func(m, _ *vfstest.Mem) {
			for _, a := range named(m, ackSuffix) {
				m.Remove(a)
			}
		}, "again"},
		"older acknowledgements put back": {func(m, old *vfstest.Mem) {
			for _, a := range named(m, ackSuffix) {
				m.Remove(a)
			}
			for _, a := range named(old, ackSuffix) {
				m.WriteFile(a, must(old.ReadFile(a)))
			}
		}, "again"},
		"older acknowledgements put beside": {func(m, old *vfstest.Mem) {
			for _, a := range named(old, ackSuffix) {
				m.WriteFile("00000000000000ff.ack", must(old.ReadFile(a)))
			}
		}, "same"},
		"acknowledgements emptied": {func(m, _ *vfstest.Mem) { m.WriteFile(named(m, ackSuffix)[0], nil) }, "again"},
		"MANIFEST taken away":      {func(m, _ *vfstest.Mem) { m.Remove(manifestName) }, "corrupt"},
		"MANIFEST emptied":         {func(m, _ *vfstest.Mem) { m.WriteFile(manifestName, nil) }, "corrupt"},
		"MANIFEST of another log": {func(m, _ *vfstest.Mem) {
			other := newManifest(nil, 0)
			data, _ := other.encode()
			m.WriteFile(manifestName, data)
		}, "quarantined"},
	} {
		t.Run(name, func(t *testing.T) {
			mem, want := filled(t)
			old := mem.Kill()
			l, _ := mustOpen(t, mem, Config{SegmentBytes: 600})
			l.Ack(3)
			payload := want[3]
			delete(want, 3)
			mustClose(t, l)
			test.change(mem, old)
			before := mem.Kill()
			l, found, err := Open(mem, Config{SegmentBytes: 600})
			if l != nil {
				defer l.Close()
			}
			switch missing, corrupt := (*MissingError)(nil), (*CorruptError)(nil); test.want {
			case "missing":
				if !errors.As(err, &missing) || missing.Records == 0 || missing.First == 0 || missing.Last < missing.First {
					t.Fatalf("Open: %v", err)
				}
				requireUntouched(t, before, mem)
				l, found, err := Open(mem, Config{SegmentBytes: 600, AcceptMissing: true})
				if err != nil || found.Missing != missing.Records {
					t.Fatalf("accepting it: %+v, %v", found, err)
				}
				got, _ := readAllRecords(t, l)
				if lost := requireSubset(t, "accepting it", got, want); int64(lost) != found.Missing {
					t.Errorf("%d are missing, %d were reported", lost, found.Missing)
				}
				mustClose(t, l)
				_, found = mustOpen(t, mem, Config{SegmentBytes: 600})
				if found.Missing != 0 {
					t.Errorf("missing again: %+v", found)
				}
			case "corrupt":
				if !errors.As(err, &corrupt) {
					t.Fatalf("Open: %v", err)
				}
				requireUntouched(t, before, mem)
			case "quarantined":
				if err != nil {
					t.Fatal(err)
				}
				got, _ := readAllRecords(t, l)
				if lost := requireSubset(t, "after", got, want); int64(lost) != found.QuarantinedRecords+found.Missing || lost == 0 {
					t.Errorf("%d are missing, and it says %+v", lost, found)
				}
			case "again", "same":
				if err != nil {
					t.Fatal(err)
				}
				if test.want == "again" {
					want[3] = payload
				}
				got, _ := readAllRecords(t, l)
				for seq, payload := range want {
					if got[seq] != payload {
						t.Errorf("record %d is not there", seq)
					}
				}
			}
		})
	}
}
