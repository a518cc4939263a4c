package retl

import (
	"bufio"
	"errors"
	"io"
)

// maxQuoted is how far a CSV is read for the end of a record: a quote without an end would have the rest of the input be one field.
const maxQuoted = 4 * MaxLineBytes

// errCapped is what a cappedReader answers with where no more is allowed.
var errCapped = errors.New("capped")

// A cappedReader gives an input without its byte order mark, and no more of it than is allowed.
type cappedReader struct {
	in    *bufio.Reader
	begun bool
	left  int
	// err is why nothing more comes, and stays: who reads may have taken no notice of it, for a fault in what came before.
	err error
}

func newCappedReader(r io.Reader) *cappedReader {
	return &cappedReader{in: bufio.NewReaderSize(r, 64<<10)}
}

// allow lets n bytes pass from now on.
func (r *cappedReader) allow(n int) { r.left = n }

func (r *cappedReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if !r.begun {
		r.begun = true
		if mark, err := r.in.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
			r.in.Discard(len(byteOrderMark)) // it is buffered
		}
	}
	if r.left <= 0 {
		r.err = errCapped
		return 0, r.err
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.err = err
	return n, err
}
