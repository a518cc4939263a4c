package repo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// testOnly marks lines of an example that the README leaves out: what points the code at a stand-in.
const testOnly = "// test only"

// Each block of Go in the README has to be part of an example that runs as a test, line for line.
func TestREADMEShowsCodeThatRuns(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples [][]string
	for _, pattern := range []string{"../../*/*_test.go", "../../*/*/*_test.go", "../../examples/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			examples = append(examples, code(string(source)))
		}
	}
	blocks := strings.Split(string(text), "```go\n")[1:]
	if len(blocks) < 4 {
		t.Errorf("the README has %d blocks of Go, want one for each way in and one for tests", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		found := false
		for _, example := range examples {
			found = found || contains(example, code(block))
		}
		if !found {
			t.Errorf("no example has this block of the README:\n%s", block)
		}
	}
}

// code returns the lines that count: without indentation, empty lines, and those that are for tests only.
func code(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasSuffix(line, testOnly) {
			lines = append(lines, line)
		}
	}
	return lines
}

// contains tells whether part stands in whole, line after line.
func contains(whole, part []string) bool {
	for i := 0; i+len(part) <= len(whole); i++ {
		equal := true
		for k := range part {
			if whole[i+k] != part[k] {
				equal = false
				break
			}
		}
		if equal {
			return true
		}
	}
	return false
}

// The README's destination file has to load, and to be without a fault that Lint finds.
func TestREADMEDestinationLoads(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```json\n")
	if !found {
		t.Fatal("the README has no block of JSON")
	}
	block, _, _ = strings.Cut(block, "```")
	d, err := profiles.ParseDestination([]byte(block))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Lint() {
		if f.Severity > profiles.SeverityHint {
			t.Error(f)
		}
	}
}
