package seglog

import (
	"errors"
	"fmt"
	"maps"
	"syscall"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// Row 49: what cannot be read at the start is not taken for empty.
func TestFault49ReadErrorAtStart(t *testing.T) {
	base, want := filled(t)
	for _, op := range []vfstest.Op{vfstest.Read, vfstest.Open, vfstest.List} {
		spared := false
		for after := 0; ; after++ {
			mem := base.Kill()
			faults := vfstest.NewFaults(mem)
			fault := faults.Inject(&vfstest.Fault{Ops: op, After: after, Times: 1, Err: syscall.EIO, Short: 500})
			l, _, err := Open(faults, Config{SegmentBytes: 600})
			if faults.Hits(fault) == 0 {
				if after == 0 {
					t.Fatal("there is nothing to fail")
				}
				l.Close()
				break
			}
			if err == nil && op == vfstest.Open && !spared {
				spared = true
				requireRecords(t, l, want) // it was opened to be written to: a footer is not needed
				mustClose(t, l)
				continue
			}
			if err == nil || !errors.Is(err, syscall.EIO) {
				t.Fatalf("operation %d of kind %d: %v", after, op, err)
			}
			l, _ = mustOpen(t, mem, Config{SegmentBytes: 600})
			requireRecords(t, l, want)
			mustClose(t, l)
		}
	}
}

// Row 49, later: a reader that meets an error has not moved.
func TestFault49ReadErrorInNext(t *testing.T) {
	base, want := filled(t)
	faults := vfstest.NewFaults(base)
	l, _ := mustOpen(t, faults, Config{SegmentBytes: 600})
	fault := faults.Inject(&vfstest.Fault{Ops: vfstest.Read | vfstest.Open, Name: "*.seg", Times: 3, Err: syscall.EIO})
	got := map[Seq]string{}
	r := l.Reader(0)
	for {
		records, err := r.Next(100)
		if errors.Is(err, syscall.EIO) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			break
		}
		for _, rec := range records {
			got[rec.Seq] = string(rec.Payload)
		}
	}
	if !maps.Equal(got, want) || faults.Hits(fault) != 3 {
		t.Errorf("%d of %d records, %d errors", len(got), len(want), faults.Hits(fault))
	}
	if s := l.Stats(); s.QuarantinedRegions != 0 {
		t.Errorf("%+v: what could not be read was taken for damaged", s)
	}
}

// Row 50: errors of the system come back as such, and nothing is left behind.
func TestFault50SystemErrors(t *testing.T) {
	base, want := filled(t)
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.EROFS, syscall.EACCES} {
		for at := 1; ; at++ {
			faults := vfstest.NewFaults(base.Kill())
			fault := faults.Inject(&vfstest.Fault{Ops: vfstest.Create | vfstest.Open | vfstest.Rename | vfstest.Remove | vfstest.Lock, After: at - 1, Err: errno})
			l, _, err := Open(faults, Config{SegmentBytes: 600})
			if err != nil && !errors.Is(err, errno) {
				t.Fatalf("%v: %v", errno, err)
			}
			hits := faults.Hits(fault)
			faults.Mend(fault)
			if hits == 0 {
				requireRecords(t, l, want)
				mustClose(t, l)
				break
			}
			if l != nil {
				l.Close()
			}
			l, _ = mustOpen(t, faults, Config{SegmentBytes: 600})
			requireRecords(t, l, want)
			mustClose(t, l)
		}
	}
}

// Row 54: a later format, later records and another identity are refused, and nothing is touched.
func TestFault54RefusedUntouched(t *testing.T) {
	line := func(format int, body string) []byte {
		l := fmt.Sprintf("seglog %d %08x %s\n", format, manifestCRC(format, []byte(body)), body)
		return []byte(l + l)
	}
	base := vfstest.NewMem()
	l, _ := mustOpen(t, base, Config{Identity: []byte("EU"), Version: 3})
	mustAppend(t, l, "a record")
	mustClose(t, l)

	later := base.Kill()
	later.WriteFile(manifestName, line(2, `{"what":"it has is not known"}`))
	for name, test := range map[string]struct {
		mem    *vfstest.Mem
		config Config
		want   error
	}{
		"later format":     {later, Config{Identity: []byte("EU"), Version: 3}, &VersionError{Of: "format", Have: 2, Max: 1}},
		"later records":    {base, Config{Identity: []byte("EU"), Version: 2}, &VersionError{Of: "records", Have: 3, Max: 2}},
		"another identity": {base, Config{Identity: []byte("US"), Version: 3}, &IdentityError{}},
		"no identity":      {base, Config{Version: 3}, &IdentityError{}},
	} {
		t.Run(name, func(t *testing.T) {
			mem := test.mem.Kill()
			_, _, err := Open(mem, test.config)
			if err == nil || err.Error() != test.want.Error() {
				t.Fatalf("Open: %v, want %v", err, test.want)
			}
			requireUntouched(t, test.mem, mem)
		})
	}
	l, _ = mustOpen(t, base, Config{Identity: []byte("EU"), Version: 4})
	requireRecords(t, l, map[Seq]string{1: "a record"})
	mustClose(t, l)
	if _, _, err := Open(base, Config{Identity: []byte("EU"), Version: 3}); err == nil {
		t.Error("a log that had records of version 4 opens for version 3")
	}
}
