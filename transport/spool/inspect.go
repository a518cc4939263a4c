package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/segmentprofiles/segmentprofiles-go/internal/seglog"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// Info is what a spool holds.
type Info struct {
	// Endpoint is the one that the spool was made for.
	Endpoint string
	Queues   []QueueInfo
}

// QueueInfo is what one write key's queue holds.
type QueueInfo struct {
	// Name is the queue's folder: a hash of the key, which says nothing without the spool.
	Name string
	// Messages have no outcome yet; Bytes is their size on disk.
	Messages, Bytes int64
	// Quarantined is how many messages were found damaged on disk, and are lost; they are not among Messages. BrokenBytes is the size of
	// what was put aside of those that a client has met.
	Quarantined, BrokenBytes int64
}

// Inspect looks at a spool without opening it. It takes no lock and changes nothing, and may be called while a client uses the spool;
// what it returns is then as of about now. Like a client that opens the spool, it reads only the latest messages, and all of a queue in
// Memory mode: others that are damaged are among Messages until they are read. Verify reads them. The error is an *OpenError, around
// fs.ErrNotExist where there is no spool.
func Inspect(dir string) (Info, error) { return look(dir, inspect) }

// Verify does what Inspect does, and reads every message that has no outcome yet, at the speed of the disk, to find out which are damaged:
// they are in Quarantined, and not in Messages. It leaves them as they are; the client that comes to them passes over them, counts them
// and puts them aside. Like Inspect it takes no lock, and may be called while a client uses the spool. Errors are those of Inspect; damage
// is none.
func Verify(dir string) (Info, error) { return look(dir, verify) }

// look looks at each of a spool's logs.
func look(dir string, at func(path string) (seglog.Info, error)) (Info, error) {
	catalog, err := at(filepath.Join(dir, catalogName))
	if err != nil {
		return Info{}, openError(dir, err)
	}
	info := Info{Endpoint: string(catalog.Identity)}
	names, err := queueNames(dir)
	if err != nil {
		return Info{}, openError(dir, err)
	}
	for _, name := range names {
		log, err := at(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is being made
		}
		if err != nil {
			return Info{}, openError(dir, err)
		}
		info.Queues = append(info.Queues, QueueInfo{
			Name: name, Messages: log.Records, Bytes: log.Bytes, Quarantined: log.QuarantinedRecords, BrokenBytes: log.BrokenBytes,
		})
	}
	return info, nil
}

func inspect(path string) (seglog.Info, error) { return lookAt(path, seglog.Inspect) }

func verify(path string) (seglog.Info, error) { return lookAt(path, seglog.Verify) }

func lookAt(path string, at func(vfs.FS) (seglog.Info, error)) (seglog.Info, error) {
	dir, err := vfs.ReadDir(path)
	if err != nil {
		return seglog.Info{}, err
	}
	defer dir.Close()
	return at(dir)
}

// queueNames returns the folders of a spool's queues.
func queueNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != catalogName {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
