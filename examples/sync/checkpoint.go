package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// saveEvery is how long a checkpoint may lag behind.
const saveEvery = time.Second

// A position is what a checkpoint file holds: of which input, and how many of its records need not be read again.
type position struct {
	Input   string `json:"input"`
	Records int    `json:"records"`
}

// A checkpoint keeps a position in a file. Nil is none: its methods do nothing.
type checkpoint struct {
	path    string
	resumed bool // the file was there
	now     position
	stopped bool // at a record that has to be read again
	dirty   bool
	saved   time.Time
}

// openCheckpoint reads the checkpoint of an input; a file that is not there is its beginning.
func openCheckpoint(path string, in *input) (*checkpoint, error) {
	if path == "" {
		return nil, nil
	}
	if in.place == "" {
		return nil, errors.New("-checkpoint: needs an input that is the same each time: a file as -events")
	}
	c := &checkpoint{path: path, now: position{Input: in.place}, dirty: true}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("-checkpoint: %w", err)
	}
	found, err := parsePosition(text)
	if err != nil {
		return nil, fmt.Errorf("-checkpoint: %s: %w: restore it, or remove it to begin anew", path, err)
	}
	if found.Input != in.place {
		return nil, fmt.Errorf("-checkpoint: %s is of another input, %s: give each input a file of its own", path, found.Input)
	}
	c.resumed, c.now, c.dirty = true, found, false
	return c, nil
}

// parsePosition reads a checkpoint. Its error shows nothing of the text, which may be some other file's.
func parsePosition(text []byte) (position, error) {
	var p struct {
		Input   *string `json:"input"`
		Records *int    `json:"records"`
	}
	if json.Unmarshal(text, &p) != nil || p.Input == nil || p.Records == nil || *p.Records < 0 {
		return position{}, errors.New("is not a checkpoint, or was damaged")
	}
	return position{*p.Input, *p.Records}, nil
}

// start returns how many records are left out.
func (c *checkpoint) start() int {
	if c == nil {
		return 0
	}
	return c.now.Records
}

// move counts the next record, unless it, or one before it, has to be read again. It tells whether the file should be written.
func (c *checkpoint) move(o profiles.RecordOutcome) (due bool) {
	if c == nil || c.stopped {
		return false
	}
	if !o.Done() {
		c.stopped = true
		return false
	}
	c.now.Records++
	c.dirty = true
	return time.Since(c.saved) >= saveEvery
}

// save writes the file, if it would change: all of it, or it stays as it was, also where the machine stops meanwhile. What has
// failed up to here is on the disk as dead letters by then.
func (c *checkpoint) save() error {
	if c == nil || !c.dirty {
		return nil
	}
	text, err := json.Marshal(c.now)
	if err == nil {
		err = replaceFile(c.path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("-checkpoint: %w", err)
	}
	c.dirty, c.saved = false, time.Now()
	return nil
}

// replaceFile writes a file for its owner alone, in one step.
func replaceFile(path string, text []byte) (err error) {
	temp := path + ".tmp" // always the same, so that kills do not leave ever more of them
	if err = os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp, path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir makes a rename last. Where a directory cannot be synced, after a power cut the file may be the one from before: records are
// read twice then, under the same ids.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	_ = d.Sync()
}
