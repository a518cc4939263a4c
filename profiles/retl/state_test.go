package retl_test

import (
	"path/filepath"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/retltest"
)

func TestFileState(t *testing.T) {
	retltest.TestState(t, func(t *testing.T) retl.State {
		s, err := retl.OpenState(filepath.Join(t.TempDir(), "contacts.state"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

func TestMemoryState(t *testing.T) {
	retltest.TestState(t, func(*testing.T) retl.State { return new(retl.MemoryState) })
}
