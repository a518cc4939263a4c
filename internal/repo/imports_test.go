// Package repo checks the repository itself: who may import whom, limits that are stated twice, and that the README shows code that runs.
// It has tests only.
package repo

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	root "github.com/segmentprofiles/segmentprofiles-go"
	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

const module = "github.com/segmentprofiles/segmentprofiles-go"

// arrows says what the code of each folder, tests apart, may import: other folders of the module, and modules of others. What
// is left out may import the standard library alone.
var arrows = map[string]struct{ own, others []string }{
	".":      {own: []string{"transport"}},
	"region": {},
	"actions": {
		own:    []string{"internal/jsonenc", "internal/jsvalue", "internal/messageid"},
		others: []string{"github.com/go-playground/validator/v10"},
	},
	"mapping": {
		own:    []string{"internal/jsonenc", "internal/jsvalue", "internal/liquid"},
		others: []string{"golang.org/x/text"},
	},
	"transport": {
		own:    []string{"region", "internal/jsonenc"},
		others: []string{"github.com/hashicorp/go-retryablehttp", "github.com/klauspost/compress", "golang.org/x/time/rate"},
	},
	"transport/spool":         {own: []string{"transport", "internal/dispatch", "internal/seglog", "internal/vfs"}},
	"transport/transporttest": {own: []string{"transport"}, others: []string{"github.com/klauspost/compress"}},
	"profiles": {
		own:    []string{"region", "actions", "mapping", "transport", "transport/spool", "internal/dispatch", "internal/jsvalue", "internal/messageid"},
		others: []string{"github.com/go-playground/validator/v10"},
	},
	"profiles/publicapi":               {own: []string{"profiles", "region", "transport"}},
	"profiles/publicapi/publicapitest": {own: []string{"profiles", "profiles/publicapi"}},
	"profiles/retl":                    {own: []string{"profiles", "profiles/publicapi", "region", "internal/jsonenc", "internal/jsvalue", "internal/messageid", "internal/vfs"}},
	"profiles/retl/presets":            {own: []string{"profiles", "profiles/retl"}},
	"profiles/retl/retltest":           {own: []string{"profiles/retl"}},
	"profiles/profilestest": {
		own:    []string{"actions", "mapping", "profiles", "transport", "transport/transporttest", "internal/jsonenc", "internal/jsvalue"},
		others: []string{"github.com/google/go-cmp"},
	},
	"internal/dispatch":    {own: []string{"transport"}},
	"internal/jsonenc":     {own: []string{"internal/jsvalue"}},
	"internal/jsvalue":     {},
	"internal/liquid":      {own: []string{"internal/jsonenc", "internal/jsvalue"}, others: []string{"golang.org/x/text"}},
	"internal/messageid":   {},
	"internal/conformance": {},
	"internal/repo":        {},
	"internal/seglog":      {own: []string{"internal/vfs"}},
	"internal/vfs":         {},
	"internal/vfs/vfstest": {own: []string{"internal/vfs"}},
}

func TestArrows(t *testing.T) {
	top := os.DirFS("../..")
	err := fs.WalkDir(top, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file != "." && (isModule(top, file) || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		if !strings.HasSuffix(file, "_test.go") {
			checkFile(t, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isModule tells whether a folder is a module of its own.
func isModule(top fs.FS, folder string) bool {
	_, err := fs.Stat(top, folder+"/go.mod")
	return err == nil
}

func checkFile(t *testing.T, file string) {
	t.Helper()
	folder := path.Dir(file)
	allowed, known := arrows[folder]
	if !known {
		t.Errorf("%s: the folder %s is not in the list of arrows", file, folder)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		own, isOwn := strings.CutPrefix(name, module+"/")
		switch {
		case isOwn && slices.Contains(allowed.own, own):
		case isOwn:
			t.Errorf("%s imports %s, which %s may not", file, own, folder)
		case !strings.Contains(strings.Split(name, "/")[0], "."): // the standard library
		case !slices.ContainsFunc(allowed.others, func(m string) bool { return name == m || strings.HasPrefix(name, m+"/") }):
			t.Errorf("%s imports %s, which %s may not", file, name, folder)
		}
	}
}

// Packages that may not import each other state the same limits twice.
func TestLimitsAreTheSame(t *testing.T) {
	for _, limit := range []struct {
		name                 string
		ofActions, ofBatches int
	}{
		{"MaxTraits", actions.MaxTraits, transport.MaxTraits},
		{"MaxMessageIDLen", actions.MaxMessageIDLen, transport.MaxMessageIDLen},
		{"MaxGroupIDLen", actions.MaxGroupIDLen, transport.MaxGroupIDLen},
		{"MaxMessageBytes", actions.MaxMessageBytes, transport.MaxMessageBytes},
	} {
		if limit.ofActions != limit.ofBatches {
			t.Errorf("%s is %d in actions and %d in transport", limit.name, limit.ofActions, limit.ofBatches)
		}
	}
}

func TestVersionIsInTheChangelog(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "## "+root.Version) {
		t.Errorf("CHANGELOG.md has no section for version %s", root.Version)
	}
}
