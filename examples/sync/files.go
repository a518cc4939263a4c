package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// What is used where no file is named.
var (
	//go:embed sample/destination.json
	sampleDestination []byte
	//go:embed sample/events.ndjson
	sampleEvents []byte
)

// sampleEventsName is the sample's events as -events.
const sampleEventsName = "sample"

// sampleName is what the sample's events are called, as an input and in what is told.
const sampleName = "events.ndjson"

// An input is where events come from.
type input struct {
	io.Reader
	name  string   // in what is told
	place string   // in a checkpoint; empty: it is not the same each time
	id    string   // in the messageIds of records that have none; empty: those are new each time
	size  int64    // 0 where it is not known
	file  *os.File // nil where it is none of ours
}

// openEvents opens the events, stdin for "-".
func openEvents(path string, stdin io.Reader) (*input, error) {
	switch path {
	case "", sampleEventsName:
		return &input{Reader: bytes.NewReader(sampleEvents), name: sampleName, place: sampleName, id: sampleName, size: int64(len(sampleEvents))}, nil
	case "-":
		return &input{Reader: stdin, name: "standard input"}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("-events: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("-events: %w", err)
	}
	in := &input{Reader: f, name: path, file: f}
	if info.Mode().IsRegular() { // a pipe brings other events each time
		in.id, in.size = filepath.Base(path), info.Size()
		if in.place, err = filepath.Abs(path); err != nil {
			f.Close()
			return nil, fmt.Errorf("-events: %w", err)
		}
	}
	return in, nil
}

func (in *input) close() {
	if in.file != nil {
		in.file.Close()
	}
}

// loadDestination reads the destination, for the records of in from the one at place start on.
func loadDestination(path string, in *input, start int) (*profiles.Destination, error) {
	var dest *profiles.Destination
	var err error
	if path == "" {
		dest, err = profiles.ParseDestination(sampleDestination)
	} else {
		dest, err = profiles.LoadDestination(path)
	}
	if err != nil {
		return nil, err
	}
	return dest.For(profiles.Input{Name: in.id, Start: start}), nil
}

// outputs are the files that a sync writes; nil where one is not wanted.
type outputs struct {
	report, deadLetter *os.File
}

// openOutputs opens the files before anything is sent. They have to be told from each other, and from the files that are read,
// before they are emptied.
func openOutputs(o options) (outputs, error) {
	var out outputs
	var taken []fs.FileInfo
	read := []string{o.destination, o.events, o.checkpoint}
	if m := o.model; m != nil {
		read = append(read, m.sqlite, m.csv, m.state)
	}
	for _, path := range read {
		if info, err := os.Stat(path); err == nil {
			taken = append(taken, info)
		}
	}
	for _, want := range []struct {
		flag, path string
		file       **os.File
	}{{"-report", o.report, &out.report}, {"-dead-letter", o.deadLetter, &out.deadLetter}} {
		if want.path == "" {
			continue
		}
		f, err := openOutput(want.path, taken)
		if err != nil {
			out.close()
			return outputs{}, fmt.Errorf("%s: %w", want.flag, err)
		}
		*want.file = f
		if info, err := f.Stat(); err == nil {
			taken = append(taken, info)
		}
	}
	return out, nil
}

// openOutput opens a file for its owner alone.
func openOutput(path string, taken []fs.FileInfo) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() { // not a device, like /dev/stderr
		for _, other := range taken {
			if os.SameFile(info, other) {
				err = &fs.PathError{Op: "write", Path: path, Err: errors.New("is in use for another flag")}
			}
		}
		if err == nil {
			err = f.Chmod(0o600)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// empty empties the files of what a former run wrote. The dead letters of the run that is gone on with stay.
func (o outputs) empty(resumed bool) error {
	err := empty("-report", o.report)
	if !resumed {
		err = errors.Join(err, empty("-dead-letter", o.deadLetter))
	}
	return err
}

func empty(flag string, f *os.File) error {
	if f == nil {
		return nil
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = f.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

func (o outputs) close() {
	for _, f := range []*os.File{o.report, o.deadLetter} {
		if f != nil {
			f.Close()
		}
	}
}
