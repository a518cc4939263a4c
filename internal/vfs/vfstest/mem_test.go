package vfstest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// write puts text at an offset of a new or present file.
func write(t *testing.T, m *Mem, name, text string, off int64) *memFile {
	t.Helper()
	f, err := m.Edit(name)
	if err != nil {
		if f, err = m.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.WriteAt([]byte(text), off); err != nil {
		t.Fatal(err)
	}
	return f.(*memFile)
}

// cuts returns what a file may be after a power cut: its texts, or "-" where it is not there, and how often.
func cuts(m *Mem, name string) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(400) {
		data, ok := m.PowerCut(seed).ReadFile(name)
		if !ok {
			seen["-"]++
			continue
		}
		seen[string(data)]++
	}
	return seen
}

func TestPowerCutKeepsWhatIsSynced(t *testing.T) {
	m := NewMem()
	f := write(t, m, "a", "synced", 0)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := m.SyncDir(); err != nil {
		t.Fatal(err)
	}
	if got := cuts(m, "a"); len(got) != 1 || got["synced"] == 0 {
		t.Errorf("%v", got)
	}
	write(t, m, "a", " and not", 6)
	got := cuts(m, "a")
	for text := range got {
		if !strings.HasPrefix(text, "synced") {
			t.Errorf("%q: what was synced has changed", text)
		}
	}
	for _, want := range []string{"synced", "synced and not", "synced\x00\x00\x00\x00\x00\x00\x00\x00"} {
		if got[want] == 0 {
			t.Errorf("%q never happens", want)
		}
	}
	if len(got) < 10 {
		t.Errorf("garbage never happens: %v", got)
	}
}

func TestPowerCutReordersUnits(t *testing.T) {
	m := NewMem()
	f := write(t, m, "a", "", 0)
	f.Sync()
	m.SyncDir()
	write(t, m, "a", strings.Repeat("x", 1024), 0)
	laterAlone := 0
	for seed := range uint64(400) {
		data, _ := m.PowerCut(seed).ReadFile("a")
		if len(data) == 1024 && !bytes.Contains(data[:512], []byte("x")) && bytes.Equal(data[512:], bytes.Repeat([]byte("x"), 512)) {
			laterAlone++
		}
	}
	if laterAlone == 0 {
		t.Error("a later sector without the one before it never happens")
	}
}

func TestPowerCutOfNames(t *testing.T) {
	m := NewMem()
	write(t, m, "old", "text", 0).Sync()
	if got := cuts(m, "old"); got["-"] == 0 || got["text"] == 0 || len(got) != 2 {
		t.Errorf("created: %v", got)
	}
	m.SyncDir()
	if err := m.Rename("old", "new"); err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for seed := range uint64(400) {
		states[fmt.Sprint(m.PowerCut(seed).Names())]++
	}
	if len(states) != 2 || states["[old]"] == 0 || states["[new]"] == 0 {
		t.Errorf("renamed: %v", states)
	}
	m.SyncDir()
	if err := m.Remove("new"); err != nil {
		t.Fatal(err)
	}
	if got := cuts(m, "new"); got["-"] == 0 || got["text"] == 0 {
		t.Errorf("removed: %v", got)
	}
	if names := m.Kill().Names(); len(names) != 0 {
		t.Errorf("after a kill: %v", names)
	}
}

func TestFailedSyncIsNotMadeGood(t *testing.T) {
	m := NewMem()
	faults := NewFaults(m)
	f, err := faults.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	m.SyncDir()
	fault := faults.Inject(&Fault{Ops: Sync, Times: 1, Err: syscall.EIO})
	f.WriteAt([]byte("lost"), 0)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) || faults.Hits(fault) != 1 {
		t.Fatalf("Sync: %v", err)
	}
	if err := f.Sync(); err != nil {
		t.Fatalf("the second Sync: %v", err)
	}
	if data, _ := m.ReadFile("a"); string(data) != "lost" {
		t.Errorf("it reads as %q", data)
	}
	for text := range cuts(m, "a") {
		if text == "lost" {
			t.Error("a second Sync has brought to the disk what the first one did not")
		}
	}
}

func TestCapacity(t *testing.T) {
	m := NewMem()
	m.SetCapacity(10)
	f := write(t, m, "a", "12345678", 0)
	n, err := f.WriteAt([]byte("9abcdef"), 8)
	if n != 2 || !errors.Is(err, syscall.ENOSPC) || m.Used() != 10 {
		t.Errorf("%d, %v, %d in use", n, err, m.Used())
	}
	if _, err := f.WriteAt([]byte("overwritten"[:10]), 0); err != nil {
		t.Errorf("in place: %v", err)
	}
	f.Truncate(5)
	if _, err := f.WriteAt([]byte("56789"), 5); err != nil {
		t.Errorf("after cutting: %v", err)
	}
}

func TestPowerOff(t *testing.T) {
	m := NewMem()
	faults := NewFaults(m)
	faults.PowerOff(3)
	f, err := faults.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("a"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("b"), 1); !errors.Is(err, ErrPowerOff) || !faults.IsOff() {
		t.Errorf("the third operation: %v", err)
	}
	if _, err := faults.List(); !errors.Is(err, ErrPowerOff) {
		t.Errorf("after it: %v", err)
	}
	if data, _ := m.ReadFile("a"); string(data) != "a" || faults.Count(Write) != 2 {
		t.Errorf("%q after %d writes", data, faults.Count(Write))
	}
}
