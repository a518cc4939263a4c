package repo

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// sources calls f with each file of Go in the repository.
func sources(t *testing.T, f func(file, text string)) {
	t.Helper()
	top := os.DirFS("../..")
	err := fs.WalkDir(top, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if err == nil && file != "." && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := fs.ReadFile(top, file)
		f(file, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Each test that SECURITY.md names is there.
func TestSECURITYNamesTestsThatAreThere(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	missing := make(map[string]bool)
	for _, name := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1) {
		missing[name[1]] = true
	}
	if len(missing) < 30 {
		t.Errorf("SECURITY.md names %d tests", len(missing))
	}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	sources(t, func(file, text string) {
		if strings.HasSuffix(file, "_test.go") {
			for _, name := range declared.FindAllStringSubmatch(text, -1) {
				delete(missing, name[1])
			}
		}
	})
	for name := range missing {
		t.Errorf("SECURITY.md names %s, which is not there", name)
	}
}

// The library looks at certificates, and writes to no standard output, error or log by itself.
func TestNoSourceSwitchesTLSOff(t *testing.T) {
	files := 0
	forbidden := regexp.MustCompile(`InsecureSkipVerify|fmt\.Print|os\.Std(out|err)|"log"\n|slog\.(Default|Debug|Info|Warn|Error)\(`)
	sources(t, func(file, text string) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "examples/") || strings.HasPrefix(file, "internal/benchmarks/") || strings.HasPrefix(file, "internal/conformance/") {
			return
		}
		files++
		if found := forbidden.FindString(text); found != "" {
			t.Errorf("%s has %s in it", file, found)
		}
	})
	if files < 100 {
		t.Errorf("%d files were looked at", files)
	}
}

// What a change has to pass begins with the modules being those that were published.
func TestCIVerifiesTheModules(t *testing.T) {
	text, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"go mod verify", "go mod tidy -diff", "go vet ./...", "go test -race ./..."} {
		if !regexp.MustCompile(`(?m)^[^#\n]*` + regexp.QuoteMeta(command)).Match(text) {
			t.Errorf(".ci/run has no %s", command)
		}
	}
}
