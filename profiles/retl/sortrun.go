package retl

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A run is a temporary file with sorted rows: for each the lengths of key and payload as uvarints, and both. It is removed as soon as it is
// made where the platform lets a file be used without a name, else by close.
type run struct {
	file *os.File
	name string // "" once it is removed
	w    *bufio.Writer
	size int64
	rows int64
}

func newRun(dir string, memory int) (*run, error) {
	f, err := os.CreateTemp(dir, "retl-sort-*") // of mode 0600
	if err != nil {
		return nil, fmt.Errorf("retl: sort: %w", err)
	}
	r := &run{file: f, name: f.Name(), w: bufio.NewWriterSize(f, min(runBuffer, max(memory/16, 1<<10)))}
	if os.Remove(r.name) == nil {
		r.name = ""
	}
	return r, nil
}

func (r *run) write(key string, payload []byte) error {
	var head [2 * binary.MaxVarintLen64]byte
	p := binary.AppendUvarint(head[:0], uint64(len(key)))
	p = binary.AppendUvarint(p, uint64(len(payload)))
	r.size += int64(len(p) + len(key) + len(payload))
	r.rows++
	// The writer keeps the first error, and returns it from then on.
	r.w.Write(p)
	r.w.WriteString(key)
	if _, err := r.w.Write(payload); err != nil {
		return fmt.Errorf("retl: sort: %w", err)
	}
	return nil
}

// written ends writing.
func (r *run) written() error {
	if err := r.w.Flush(); err != nil {
		return fmt.Errorf("retl: sort: %w", err)
	}
	r.w = nil
	return nil
}

func (r *run) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	if r.name != "" {
		err = errors.Join(err, os.Remove(r.name))
	}
	return err
}

func (r *run) reader(buffer int) *runReader {
	return &runReader{r: bufio.NewReaderSize(io.NewSectionReader(r.file, 0, r.size), buffer), left: r.rows}
}

// A runReader reads a run.
type runReader struct {
	r            *bufio.Reader
	left         int64 // rows
	key, payload []byte
}

// next reads the next row into one whose payload is good until next is called again, and tells whether there was one.
func (r *runReader) next(row *sortedRow) (more bool, err error) {
	if r.left == 0 {
		return false, nil
	}
	r.left--
	key, err := binary.ReadUvarint(r.r)
	payload := uint64(0)
	if err == nil {
		payload, err = binary.ReadUvarint(r.r)
	}
	if err == nil {
		r.key, err = readInto(r.r, r.key, key)
	}
	if err == nil {
		r.payload, err = readInto(r.r, r.payload, payload)
	}
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return false, fmt.Errorf("retl: sort: %w", err)
	}
	row.Key, row.Payload = string(r.key), r.payload
	return true, nil
}

// readInto reads n bytes into p, or into a larger one.
func readInto(r io.Reader, p []byte, n uint64) ([]byte, error) {
	if n > 1<<31-1 {
		return p, errors.New("a temporary file is damaged")
	}
	if uint64(cap(p)) < n {
		p = make([]byte, n)
	}
	p = p[:n]
	_, err := io.ReadFull(r, p)
	return p, err
}
