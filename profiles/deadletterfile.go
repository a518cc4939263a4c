package profiles

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// DefaultDeadLetterBytes is how large a DeadLetterFile may become where nothing else is said: 1 GiB.
const DefaultDeadLetterBytes = 1 << 30

// ErrDeadLettersFull is why a DeadLetterFile takes no more.
var ErrDeadLettersFull = errors.New("the file has reached its limit: move it away, or raise the limit")

// A DeadLetterFile keeps dead letters in a file, one JSON object a line. Its method Write is made for Config.DeadLetters. It is safe for
// concurrent use, by one process. The file holds personal data: it is its owner's alone, mode 0600, also where it was there before.
type DeadLetterFile struct {
	path    string
	max     int64
	mu      sync.Mutex
	file    *os.File
	regular bool  // no device, pipe or the like
	size    int64 // of whole lines
	torn    bool  // there may be the beginning of another one after them
}

// OpenDeadLetterFile opens a file to append to, and makes it where it is not there. It takes maxBytes; 0 is DefaultDeadLetterBytes.
func OpenDeadLetterFile(path string, maxBytes int64) (*DeadLetterFile, error) {
	if maxBytes == 0 {
		maxBytes = DefaultDeadLetterBytes
	}
	_, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrPermission) { // a device or a pipe that can only be written to
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	f := &DeadLetterFile{path: path, max: maxBytes, file: file}
	if err := f.look(isNew); err != nil {
		file.Close()
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return f, nil
}

// look finds out where to go on.
func (f *DeadLetterFile) look(isNew bool) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if f.regular = info.Mode().IsRegular(); !f.regular {
		return nil
	}
	if err := f.file.Chmod(0o600); err != nil {
		return err
	}
	if isNew {
		if err := syncDir(filepath.Dir(f.path)); err != nil {
			return err
		}
	}
	if f.size = info.Size(); f.size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := f.file.ReadAt(last[:], f.size-1); err != nil {
		return err
	}
	f.torn = last[0] != '\n' // a crash, or an editor. What is there stays.
	return nil
}

// Write appends letters and syncs the file. When it returns nil they are on the disk; else none of them counts as written, though after
// a crash some may be there. The error is ErrDeadLettersFull, or what the disk said.
func (f *DeadLetterFile) Write(letters []DeadLetter) error {
	var text bytes.Buffer
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.torn {
		text.WriteByte('\n')
	}
	for i := range letters {
		if err := encodeLetter(&text, letters[i]); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
	}
	if err := f.append(text.Bytes()); err != nil {
		return fmt.Errorf("dead letters: %w", err) // the disk's names the file
	}
	return nil
}

func (f *DeadLetterFile) append(text []byte) error {
	if f.size+int64(len(text)) > f.max {
		return fmt.Errorf("%s: %w", f.path, ErrDeadLettersFull)
	}
	_, err := f.file.Write(text)
	if err == nil && f.regular {
		err = f.file.Sync()
	}
	if err == nil {
		f.size += int64(len(text))
		f.torn = false
		return nil
	}
	if f.regular {
		// Where the file cannot be cut back, the next letter begins a line of its own.
		f.torn = f.torn || f.file.Truncate(f.size) != nil
	}
	return err
}

// Close closes the file.
func (f *DeadLetterFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}

// encodeLetter appends a letter's line, with <, > and & as they came.
func encodeLetter(to *bytes.Buffer, l DeadLetter) error {
	start := to.Len()
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l)
	if err == nil && json.Valid(to.Bytes()[start:]) {
		return nil
	}
	// The event is nested as deeply as encoding/json reads: it may not stand inside another object.
	to.Truncate(start)
	l.Event, l.Text = nil, string(l.Event)
	return enc.Encode(l)
}

// syncDir makes a new name in a directory last.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // which has no such thing
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// maxLetterBytes bounds a line that ReadDeadLetters takes.
const maxLetterBytes = 16 << 20

// ReadDeadLetters reads what a DeadLetterFile has written. A line that is no dead letter, the torn last one of a crash for instance, is
// a *BadRecord, and the rest go on; any other error is r's and ends the range.
func ReadDeadLetters(r io.Reader) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		for number := 1; ; number++ {
			line, err := readLine(in)
			if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
				if !errors.Is(err, io.EOF) {
					yield(DeadLetter{}, err)
				}
				return
			}
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var l DeadLetter
			if json.Unmarshal(line, &l) != nil || l.Status == 0 { // whose error may show a value
				err := &BadRecord{Err: fmt.Errorf("line %d is no dead letter", number), Text: bytes.TrimRight(line, "\r\n")}
				if !yield(DeadLetter{}, err) {
					return
				}
				continue
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// readLine returns the next line, or nothing of one that is too long but a byte, which is no dead letter either.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		piece, err := in.ReadSlice('\n')
		if long = long || len(line)+len(piece) > maxLetterBytes; long {
			line = []byte{'?'}
		} else {
			line = append(line, piece...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
