package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// A stateFile is the state of a model, and the place that its rows were sent to.
type stateFile struct {
	retl.State
	file   *retl.FileState // nil where it is in memory
	path   string
	former bool // it has rows
}

// openState opens the state. A dry run, or a preflight, makes no files, and takes a state that is to be forgotten for an empty one.
func openState(ctx context.Context, o options) (_ *stateFile, err error) {
	m := o.model
	for flag, path := range map[string]string{"-sqlite": m.sqlite, "-csv": m.csv, "-destination": o.destination} {
		if sameFile(m.state, path) {
			return nil, fmt.Errorf("-state: is the file of %s", flag)
		}
	}
	if (o.dryRun || m.preflight) && (m.state == "" || m.reset || !exists(m.state) && !exists(m.state+".lock")) {
		return &stateFile{State: new(retl.MemoryState)}, nil
	}
	file, err := retl.OpenState(m.state)
	var damaged *retl.StateError
	if m.reset && errors.As(err, &damaged) && isState(m.state) {
		if err = retl.ResetState(m.state); err == nil {
			file, err = retl.OpenState(m.state)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("-state: %w", err)
	}
	s := &stateFile{State: file, file: file, path: m.state}
	for _, err = range file.Entries(ctx) {
		s.former = err == nil
		break
	}
	if err == nil && s.former && !m.reset {
		err = s.belongs(target(o))
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("-state: %w", err)
	}
	return s, nil
}

// isState tells whether there is a state in a file, however damaged: no other file is to be overwritten.
func isState(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	start := make([]byte, 4)
	n, err := io.ReadFull(f, start)
	return errors.Is(err, io.EOF) || string(start[:n]) == "\xf8SPE"
}

// target names the place that messages are sent to; empty where a dry run has none.
func target(o options) string {
	u, err := url.Parse(o.endpoint)
	switch {
	case o.endpoint != "" && err == nil:
		return u.Host + strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/v1")
	case o.region.Valid():
		return "Segment in " + o.region.String()
	case o.dryRun:
		return ""
	}
	return "this program's own Tracking API"
}

// belongs is an error where the rows were sent to another place: all of them would be taken for sent.
func (s *stateFile) belongs(place string) error {
	text, err := os.ReadFile(s.path + ".target")
	if errors.Is(err, fs.ErrNotExist) || err == nil && place == "" {
		return nil
	}
	if err != nil {
		return err
	}
	if was := string(bytes.TrimSpace(text)); was != place {
		return fmt.Errorf("%s says what was sent to %s, and this run sends to %s: give each a state of its own, or forget this one with -reset", s.path, was, place)
	}
	return nil
}

// note writes down the place that the rows are sent to from now on.
func (s *stateFile) note(place string) error {
	if s.file == nil || place == "" {
		return nil
	}
	if err := replaceFile(s.path+".target", []byte(place+"\n")); err != nil {
		return fmt.Errorf("-state: %w", err)
	}
	return nil
}

// broken is why the state has taken no more.
func (s *stateFile) broken() error {
	if err := s.Sending(context.Background(), nil); err != nil {
		return fmt.Errorf("-state: %w", err)
	}
	return nil
}

func (s *stateFile) close() {
	if s.file != nil {
		s.file.Close()
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
