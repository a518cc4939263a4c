package retl

import "errors"

// ErrStateClosed is returned by the methods of a FileState after Close.
var ErrStateClosed = errors.New("retl: the state is closed")

// A StateError says that files of a state are damaged, do not belong together, or were written by a later version of this library. They
// were left as they are. What helps is in Error's text: files put back from a copy, or ResetState.
type StateError struct {
	// Path is the file that it is about.
	Path string
	// Reason is what is wrong with it.
	Reason string
}

func (e *StateError) Error() string {
	return "retl: the state " + e.Path + ": " + e.Reason + " (put the state's files back from a copy, or reset the state: all rows count as new then)"
}

// A StateInUseError says that another process has the state open, or this one twice.
type StateInUseError struct {
	// Path is the state's file.
	Path string
}

func (e *StateInUseError) Error() string {
	return "retl: the state " + e.Path + " is in use: another sync has it open"
}

// A damage is what is wrong with the bytes of a file. It becomes a StateError where the file is one that must be whole.
type damage string

func (d damage) Error() string { return string(d) }
