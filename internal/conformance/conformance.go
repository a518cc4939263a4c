// Package conformance runs the vectors that were measured on Segment's own implementation: files of one JSON case a line.
//
// Each package keeps its vectors in testdata/conformance. With the environment variable SEGMENT_VECTORS naming a folder,
// its files run as well, so that other draws of the same generators can be tried without touching the code.
package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxReported bounds the failing cases of a file that are told one by one.
const maxReported = 25

// maxLine is the length of the longest line that a file may have, in bytes.
const maxLine = 16 << 20

// Files returns the vector files whose names have the kind in them (mapping, trigger, liquid, actions) and end with .jsonl: those of
// the calling package's testdata/conformance, then those of the folder that SEGMENT_VECTORS names, each sorted by name. A
// relative name of that folder counts from the root of the module. It ends the test when the package has none of its own.
func Files(t testing.TB, kind string) []string {
	t.Helper()
	own := list(t, filepath.Join("testdata", "conformance"), kind)
	if len(own) == 0 {
		t.Fatalf("no vectors *%s*.jsonl in testdata/conformance", kind)
	}
	if dir := os.Getenv("SEGMENT_VECTORS"); dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(moduleRoot(t), dir)
		}
		own = append(own, list(t, dir, kind)...)
	}
	return own
}

// moduleRoot returns the folder above the package that holds go.mod: tests run in their package's folder.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the package")
		}
	}
}

func list(t testing.TB, dir, kind string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); strings.Contains(name, kind) && strings.HasSuffix(name, ".jsonl") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files
}

// Run gives every line of the files to check, in order, and prints for each file how many passed: "conformance
// mapping.jsonl 600/600". A case for which check returns an error fails the test, as does a file without a case. A panic of
// check's is that case's failure and does not end the run.
func Run(t *testing.T, files []string, check func(t *testing.T, line json.RawMessage) error) {
	t.Helper()
	RunAtLeast(t, files, 1, check)
}

// RunAtLeast is Run for files of which a share has to pass: cases that fail are told, and fail the test where the share is not reached.
func RunAtLeast(t *testing.T, files []string, share float64, check func(t *testing.T, line json.RawMessage) error) {
	t.Helper()
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			passed, total := 0, 0
			var told []string
			for n, line := range Lines(t, file) {
				total++
				err := attempt(t, line, check)
				if err == nil {
					passed++
				} else if failed := total - passed; failed <= maxReported {
					told = append(told, fmt.Sprintf("%s:%d: %v", file, n, err))
				}
			}
			fmt.Printf("conformance %s %d/%d\n", filepath.Base(file), passed, total)
			for _, failed := range told {
				t.Log(failed)
			}
			if total == 0 || float64(passed) < share*float64(total) {
				t.Errorf("%s: %d of %d cases passed, want %g %%", file, passed, total, 100*share)
			}
		})
	}
}

func attempt(t *testing.T, line json.RawMessage, check func(*testing.T, json.RawMessage) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return check(t, line)
}

// Lines yields the lines of file that are not blank, each with its number from 1. A file that cannot be read fails the test.
func Lines(t testing.TB, file string) iter.Seq2[int, json.RawMessage] {
	return func(yield func(int, json.RawMessage) bool) {
		f, err := os.Open(file)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(nil, maxLine)
		for n := 1; s.Scan(); n++ {
			if line := bytes.TrimSpace(s.Bytes()); len(line) > 0 && !yield(n, slices.Clone(line)) {
				return
			}
		}
		if err := s.Err(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Decode reads one JSON value as a record's reader does, with the digits of its numbers kept (json.Number).
func Decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	return d.Decode(into)
}

// Equal tells whether a and b are the same JSON value: numbers of any Go type compare as float64, objects without order.
// Nothing else is forgiven: a null member is not a missing one, an empty array is not null, "1" is not 1.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case string:
		y, ok := b.(string)
		return ok && x == y
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key, item := range x {
			if other, ok := y[key]; !ok || !Equal(item, other) {
				return false
			}
		}
		return true
	}
	x, okX := number(a)
	y, okY := number(b)
	return okX && okY && (x == y || math.IsNaN(x) && math.IsNaN(y))
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	case json.Number:
		f, err := strconv.ParseFloat(string(x), 64)
		return f, err == nil || math.IsInf(f, 0)
	}
	return 0, false
}
