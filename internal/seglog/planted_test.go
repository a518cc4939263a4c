package seglog

import (
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// What the crash test is worth: it has to find that a sync is left out, each of those that the log makes. The defect is planted in the file system,
// which says that it has synced and has not.
func TestCrashTestFindsMissingSyncs(t *testing.T) {
	for name, fault := range map[string]vfstest.Fault{
		"segments":                  {Ops: vfstest.Sync, Name: "*.seg"},
		"new acknowledgement files": {Ops: vfstest.Sync, Name: "*.ack.tmp"},
		"acknowledgements":          {Ops: vfstest.Sync, Name: "*.ack"},
		"the MANIFEST":              {Ops: vfstest.Sync, Name: "MANIFEST.tmp"},
		"names":                     {Ops: vfstest.SyncDir},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3000) {
				fault := fault
				fault.Lie = true
				var faults *vfstest.Faults
				err := crashOn(t, seed, Sync, false, func(fsys vfs.FS) *vfstest.Faults {
					faults = vfstest.NewFaults(fsys)
					faults.Inject(&fault)
					return faults
				})
				if err != nil {
					t.Logf("found with seed %d: %v", seed, err)
					return
				}
			}
			t.Error("not found")
		})
	}
}
