package conformance_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
)

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b any
		want bool
	}{
		{"numbers of several types", []any{1.0, int64(2), uint64(3), json.Number("4")}, []any{json.Number("1.0"), 2.0, 3, int64(4)}, true},
		{"past a double's digits", json.Number("9007199254740993"), 9007199254740992.0, true},
		{"a number is not its text", 1.0, "1", false},
		{"a number is not a bool", 1.0, true, false},
		{"null is not a missing member", map[string]any{"a": nil}, map[string]any{}, false},
		{"another member", map[string]any{"a": nil}, map[string]any{"b": nil}, false},
		{"null is not an empty array", nil, []any{}, false},
		{"order of an array", []any{1.0, 2.0}, []any{2.0, 1.0}, false},
		{"nested", map[string]any{"a": []any{map[string]any{"b": "c"}}}, map[string]any{"a": []any{map[string]any{"b": "c"}}}, true},
		{"no JSON type", struct{}{}, struct{}{}, false},
	} {
		if got := conformance.Equal(c.a, c.b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if got := conformance.Equal(c.b, c.a); got != c.want {
			t.Errorf("%s, turned round: %v", c.name, got)
		}
	}
}

func TestFilesOfTheFolderNamedByTheEnvironment(t *testing.T) {
	own, other := t.TempDir(), t.TempDir()
	t.Chdir(own)
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("testdata/conformance/thing.jsonl", "1\n\n2\n")
	write(filepath.Join(other, "thing-7.jsonl"), "3")
	write(filepath.Join(other, "another.jsonl"), "4")
	t.Setenv("SEGMENT_VECTORS", other)

	files := conformance.Files(t, "thing")
	if len(files) != 2 {
		t.Fatalf("files: %q", files)
	}
	seen := ""
	conformance.Run(t, files, func(_ *testing.T, line json.RawMessage) error {
		seen += string(line)
		if len(line) != 1 {
			return errors.New("not one digit")
		}
		return nil
	})
	if seen != "123" {
		t.Errorf("lines: %q", seen)
	}
}

func TestRunAtLeastForgivesAShare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "thing.jsonl")
	if err := os.WriteFile(file, []byte("1\n2\n3\n4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conformance.RunAtLeast(t, []string{file}, 0.75, func(_ *testing.T, line json.RawMessage) error {
		if string(line) == "3" {
			return errors.New("three")
		}
		return nil
	})
}

func TestVectorsFolderCountsFromTheModule(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"package/testdata/conformance", "vectors"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "package/testdata/conformance/thing.jsonl", "vectors/more-thing.jsonl"} {
		if err := os.WriteFile(filepath.Join(root, file), []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(root, "package"))
	t.Setenv("SEGMENT_VECTORS", "vectors")
	if files := conformance.Files(t, "thing"); len(files) != 2 || filepath.Base(files[1]) != "more-thing.jsonl" {
		t.Errorf("files: %q", files)
	}
}
