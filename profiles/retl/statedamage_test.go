package retl

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// fileOf returns a file of a state's directory.
func fileOf(t *testing.T, mem *vfstest.Mem, name string) []byte {
	t.Helper()
	data, ok := mem.ReadFile(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return data
}

func contents(mem *vfstest.Mem) map[string]string {
	files := map[string]string{}
	for _, name := range mem.Names() {
		if data, _ := mem.ReadFile(name); name != "state.lock" {
			files[name] = string(data)
		}
	}
	return files
}

// requireStateError checks that a state of these files is refused, when it is opened or read, and left as it is; and that ResetState would
// help.
func requireStateError(t *testing.T, mem *vfstest.Mem, path, where string, args ...any) {
	t.Helper()
	before := contents(mem)
	s, err := openMem(mem)
	if err == nil {
		_, err = readState(s)
		s.Close()
	}
	bad := (*StateError)(nil)
	if !errors.As(err, &bad) || bad.Path != path || !strings.Contains(err.Error(), "reset") {
		t.Fatalf(where+": %v", append(args, err)...)
	}
	after := contents(mem)
	if len(before) != len(after) {
		t.Fatalf(where+": files came or went", args...)
	}
	for name := range before {
		if before[name] != after[name] {
			t.Fatalf(where+": a file was changed", args...)
		}
	}
}

func TestDamagedBase(t *testing.T) {
	mem := vfstest.NewMem()
	stateWith(t, mem, 40).Close()
	whole := fileOf(t, mem, "state")
	for i := range whole {
		for _, flip := range []byte{1, 0x80, 0xff} {
			data := bytes.Clone(whole)
			data[i] ^= flip
			mem.WriteFile("state", data)
			requireStateError(t, mem, "state", "byte %d ^ %#x", i, flip)
		}
		mem.WriteFile("state", whole[:i])
		requireStateError(t, mem, "state", "cut at %d", i)
	}
	mem.WriteFile("state", append(bytes.Clone(whole), whole...))
	requireStateError(t, mem, "state", "twice")
	mem.WriteFile("state", append(bytes.Clone(whole), 0))
	requireStateError(t, mem, "state", "one byte more")
	later := bytes.Clone(whole)
	later[4] = stateFormat + 1
	mem.WriteFile("state", later)
	requireStateError(t, mem, "state", "later format")
	if _, err := openMem(mem); !strings.Contains(err.Error(), "later version") {
		t.Error(err)
	}
}

func TestDamagedHead(t *testing.T) {
	mem := vfstest.NewMem()
	s := stateWith(t, mem, 3)
	if err := s.Commit(bg, Head{Model: "alone"}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	whole := fileOf(t, mem, "state.head")
	for i := range whole {
		data := bytes.Clone(whole)
		data[i] ^= 4
		mem.WriteFile("state.head", data)
		requireStateError(t, mem, "state.head", "byte %d", i)
		mem.WriteFile("state.head", whole[:i])
		requireStateError(t, mem, "state.head", "cut at %d", i)
	}
}

// Damage in a block that the end of the file does not show is met by Commit too, which changes nothing then.
func TestCommitOnDamagedBase(t *testing.T) {
	mem := vfstest.NewMem()
	stateWith(t, mem, 40).Close()
	data := fileOf(t, mem, "state")
	data[len(data)/2] ^= 1
	mem.WriteFile("state", data)
	s, err := openMem(mem)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sending(bg, []Entry{{Key: "x"}}); err != nil {
		t.Fatal(err)
	}
	before := contents(mem)
	for range 2 {
		bad := (*StateError)(nil)
		if err := s.Commit(bg, Head{}); !errors.As(err, &bad) || bad.Path != "state" {
			t.Fatal(err)
		}
	}
	if after := contents(mem); len(after) != len(before) || after["state"] != before["state"] || after["state.sending"] != before["state.sending"] {
		t.Error("files were changed")
	}
	if err := s.Reset(bg, Head{Model: "new"}); err != nil {
		t.Fatal(err)
	}
	if entries, err := readState(s); err != nil || len(entries) != 0 {
		t.Error(entries, err)
	}
	s.Close()
}

// Logs that are cut or damaged anywhere lose what comes from there on, and nothing else: each entry is the old or the new one.
func TestDamagedLogs(t *testing.T) {
	mem := vfstest.NewMem()
	s := stateWith(t, mem, 10)
	old, err := readState(s)
	if err != nil {
		t.Fatal(err)
	}
	var sends []Entry
	var marks []Mark
	for _, key := range []string{"2", "5", "8", "a", "b"} {
		e := Entry{Key: key, Version: 77, Accepted: 1 << 20, Row: []byte("row of " + key)}
		sends = append(sends, e)
		marks = append(marks, Mark{Key: key, Accepted: 1 << 21, Seen: 1 << 22, Tries: 9})
	}
	for i := range sends {
		if err := errors.Join(s.Sending(bg, sends[i:i+1]), s.Sent(bg, marks[i:i+1])); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	for _, name := range []string{"state.sending", "state.sent"} {
		whole := fileOf(t, mem, name)
		for i := range whole {
			for _, change := range []byte{0, 1, 0x80} {
				left := mem.Kill()
				data := bytes.Clone(whole)
				data[i] ^= change
				if change == 0 {
					data = data[:i]
				}
				left.WriteFile(name, data)
				s, err := openMem(left)
				if bad := (*StateError)(nil); i == 4 && change != 0 && errors.As(err, &bad) && bad.Path == name {
					continue // it says that it is of a later format
				}
				if err != nil {
					t.Fatalf("%s: byte %d: %v", name, i, err)
				}
				entries, err := readState(s)
				if err != nil {
					t.Fatalf("%s: byte %d: %v", name, i, err)
				}
				requireOldOrNew(t, entries, old, sends, marks, name == "state.sent")
				s.Close()
			}
		}
	}
}

func requireOldOrNew(t *testing.T, got, old, sends []Entry, marks []Mark, allSent bool) {
	t.Helper()
	cut := false
	for i, e := range sends {
		at := slices.IndexFunc(got, func(g Entry) bool { return g.Key == e.Key })
		was := slices.IndexFunc(old, func(o Entry) bool { return o.Key == e.Key })
		marked := e
		marked.Accepted, marked.Seen, marked.Tries = marks[i].Accepted, marks[i].Seen, marks[i].Tries
		switch {
		case at >= 0 && equalEntries(got[at], marked):
			if cut {
				t.Fatalf("%s is new, and one before it is not", e.Key)
			}
		case at >= 0 && equalEntries(got[at], e):
		case allSent, at < 0 && was >= 0, at >= 0 && (was < 0 || !equalEntries(got[at], old[was])):
			t.Fatalf("%s is neither what it was nor what it is", e.Key)
		default:
			cut = true
		}
	}
	for _, o := range old {
		at := slices.IndexFunc(got, func(g Entry) bool { return g.Key == o.Key })
		if at < 0 || !slices.ContainsFunc(sends, func(e Entry) bool { return e.Key == o.Key }) && !equalEntries(got[at], o) {
			t.Fatalf("%s was changed", o.Key)
		}
	}
}

// Files of different times are refused rather than mixed, unless they are what a crash leaves.
func TestStrayFiles(t *testing.T) {
	mem := vfstest.NewMem()
	s := stateWith(t, mem, 3)
	first := fileOf(t, mem, "state")
	if err := s.Sending(bg, []Entry{{Key: "x"}}); err != nil {
		t.Fatal(err)
	}
	log := fileOf(t, mem, "state.sending")
	for i := range 2 {
		if err := s.Commit(bg, Head{}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			again := mem.Kill()
			again.WriteFile("state.sending", log) // its removal was not on the disk
			after, err := openMem(again)
			if err != nil {
				t.Fatal(err)
			}
			if entries, err := readState(after); err != nil || len(entries) != 4 || slices.Contains(again.Names(), "state.sending") {
				t.Error(entries, err)
			}
			after.Close()
		}
		if err := s.Sending(bg, []Entry{{Key: "y"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	late := mem.Kill()
	late.WriteFile("state.sending", log)
	requireStateError(t, late, "state.sending", "an old log")
	late = mem.Kill()
	late.WriteFile("state", first)
	requireStateError(t, late, "state.sending", "an old base")
	late = mem.Kill()
	if err := late.Remove("state"); err != nil {
		t.Fatal(err)
	}
	requireStateError(t, late, "state.sending", "no base")
}

func TestWrongKindOfFile(t *testing.T) {
	mem := vfstest.NewMem()
	for _, text := range []string{"", "{}", strings.Repeat("id,email\n", 100)} {
		mem.WriteFile("state", []byte(text))
		requireStateError(t, mem, "state", "%q", text)
	}
}

var _ stateFiles = vfs.FS(nil)
