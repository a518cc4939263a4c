package profiles_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/transport/spool"
	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// mountsEnv tells a test that it runs in a process that may mount file systems of its own.
const mountsEnv = "PROFILES_TEST_MOUNTS"

// inOwnMounts has a test run in a process with mounts of its own, and tells whether this is that process; in the other one it returns
// when that has ended. The test is skipped where the system does not allow it.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountsEnv) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mountsEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("this system does not let the test mount a disk: %v\n%s", err, out)
	case err != nil, !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// mountDisk mounts a disk in memory until the test ends, and returns where it is.
func mountDisk(t *testing.T, options string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// enqueueUntilRefused enqueues large messages, which are numbered from taken on, until that was refused a few times. It returns how
// many were taken in all.
func enqueueUntilRefused(t *testing.T, client *profiles.Client, taken int, cause error) int {
	t.Helper()
	for refused := 0; refused < 4; {
		a := actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", taken), Properties: actions.Properties{"pad": pad}}
		var err error
		switch refused {
		case 1:
			err = client.TryEnqueue(a)
		case 2:
			var o profiles.Outcome
			if o, err = client.Send(t.Context(), a); err != nil && o.Status != profiles.NotQueued {
				t.Fatalf("the outcome of a Send that was refused: %+v", o)
			}
		default:
			err = client.Enqueue(t.Context(), a)
		}
		if err == nil {
			if taken++; taken > 10_000 {
				t.Fatal("the disk does not fill")
			}
			continue
		}
		refused++
		var of *profiles.Error
		if !errors.As(err, &of) || of.Status != profiles.NotQueued || !errors.Is(err, cause) || !strings.Contains(err.Error(), cause.Error()) {
			t.Fatalf("after %d messages: %v", taken, err)
		}
	}
	return taken
}

// Row 46: the disk is full. What Enqueue cannot store it refuses, saying why; nothing that was taken before is lost, it is delivered
// from the full disk, and with that, or once somebody has made room, messages are taken again.
func TestFault46FullDisk(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	disk := mountDisk(t, "size=512k")
	server := newUnlimitedServer(t)
	server.FailAlways(transporttest.Status(503))
	cfg := spooled(server, filepath.Join(disk, "spool"))
	cfg.CloseTimeout = 50 * time.Millisecond
	client, err := profiles.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 100<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := enqueueUntilRefused(t, client, 0, syscall.ENOSPC)
	if s := client.Stats(); s.Stored != taken || s.Admitted != taken || taken < 20 {
		t.Errorf("%d messages were taken, and %+v", taken, s)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	more := enqueueUntilRefused(t, client, taken, syscall.ENOSPC)
	if more < taken+5 {
		t.Errorf("with 100 KB free, %d messages were taken after %d", more-taken, taken)
	}
	var left *profiles.ShutdownError
	if err := client.Close(); !errors.As(err, &left) || left.Kept != more || left.Canceled != 0 {
		t.Fatalf("Close: %v", err)
	}

	server.Heal()
	cfg.CloseTimeout = 5 * time.Second
	client = newClient(t, cfg) // on a disk that is still full
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireArrived(t, server, more)
	for i := range 100 { // more than would fit if the room of those that are done were not used again
		a := actions.SendTrack{UserID: "u1", Event: "E", MessageID: fmt.Sprint("m", more+i), Properties: actions.Properties{"pad": pad}}
		if _, err := client.Send(t.Context(), a); err != nil {
			t.Fatalf("message %d after the disk was full: %v", i, err)
		}
	}
	requireArrived(t, server, more+100)
}

// Rows 46 and 50: where a spool cannot be made or opened, because the disk is full or may not be written to, New says so and what to do;
// what is stored stays as it was.
func TestFault50DisksThatCannotBeWrittenTo(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	server := newUnlimitedServer(t)
	refused := func(dir string, cause error) {
		t.Helper()
		_, err := profiles.New(spooled(server, dir))
		var of *spool.OpenError
		if !errors.As(err, &of) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "on a disk with room") {
			t.Errorf("New: %v", err)
		}
	}
	disk := mountDisk(t, "size=64k")
	if err := os.WriteFile(filepath.Join(disk, "ballast"), make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(filepath.Join(disk, "spool"), syscall.ENOSPC)

	disk = mountDisk(t, "size=1m")
	dir := filepath.Join(disk, "spool")
	keepMessages(t, server, dir, 3)
	before := snapshot(t, dir)
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("remount: %v", err)
	}
	refused(dir, syscall.EROFS)
	requireSame(t, before, dir)
	if info, err := spool.Inspect(dir); err != nil || len(info.Queues) != 1 || info.Queues[0].Messages != 3 {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
}

// Row 50: a directory without rights. New says so and what to do, at once, and all is well when they are given.
func TestFault50DirectoryWithoutRights(t *testing.T) {
	server := newUnlimitedServer(t)
	dir := filepath.Join(t.TempDir(), "spool")
	keepMessages(t, server, dir, 3)
	before := snapshot(t, dir)
	for name, path := range map[string]string{"of the spool": dir, "above a new one": filepath.Join(dir, "new", "spool")} {
		withoutRights(t, dir, func() {
			_, err := profiles.New(spooled(server, path))
			var bad *profiles.ConfigError
			var of *spool.OpenError
			if !errors.As(err, &bad) || bad.Problems[0].Field != "Spool" || !errors.As(err, &of) || !errors.Is(err, fs.ErrPermission) ||
				!strings.Contains(err.Error(), "make the directory readable and writable for this user") {
				t.Errorf("the directory %s: %v", name, err)
			}
			if _, err := spool.Inspect(path); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("Inspect of the directory %s: %v", name, err)
			}
		})
	}
	requireSame(t, before, dir)
	client := newClient(t, spooled(server, dir))
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireArrived(t, server, 3)
}

// withoutRights calls f while this user has no right to a directory: root has to be somebody else for that.
func withoutRights(t *testing.T, dir string, f func()) {
	t.Helper()
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}()
	if os.Geteuid() == 0 {
		runtime.LockOSThread() // the user for files is the thread's
		defer runtime.UnlockOSThread()
		const nobody = 65534
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := syscall.Setfsuid(0); err != nil {
				t.Fatal(err)
			}
		}()
	}
	f()
}
