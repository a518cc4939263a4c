package retl

import (
	"cmp"
	"container/heap"
	"errors"
	"iter"
	"slices"
	"unsafe"
)

// A sortedRow is a row as it comes out of a sorter. Its payload is good until the next one is asked for.
type sortedRow struct {
	Key     string
	Payload []byte
}

// A sorter sorts any number of rows by CompareKeys within a bound of memory: what does not fit is written to temporary files, each a
// sorted run, which are merged. Rows with equal keys stay in the order in which they were added. It is not for concurrent use.
type sorter struct {
	dir     string
	memory  int
	rows    []row
	text    []byte // of rows: keys and payloads, one after the other
	runs    []*run
	largest int   // bytes of the largest row
	err     error // the first one, which all methods return from then on
}

// A row is where a row's key and payload are in the text.
type row struct {
	at, key, payload int
}

const (
	mergeWays = 64       // runs that are read at once at most
	runBuffer = 64 << 10 // bytes that are read of each at once, less where memory is small
	rowBytes  = int(unsafe.Sizeof(row{}))
)

// newSorter returns a sorter that keeps its runs in dir, "" for os.TempDir, and takes about that many bytes of memory: a row more where
// one is larger than all of it, and two when runs are merged.
func newSorter(dir string, memory int) *sorter {
	return &sorter{dir: dir, memory: max(memory, 16<<10)}
}

// used is what the sorter would take with another row: slices that grow are there twice for a moment, and a sort of rows needs none.
func (s *sorter) used(more int) int {
	text, rows := cap(s.text), cap(s.rows)*rowBytes
	if len(s.text)+more > cap(s.text) {
		text += max(2*cap(s.text), len(s.text)+more)
	}
	if len(s.rows) == cap(s.rows) {
		rows += 2 * cap(s.rows) * rowBytes
	}
	return text + rows
}

// add takes a copy of a row.
func (s *sorter) add(key string, payload []byte) error {
	if s.err != nil {
		return s.err
	}
	more := len(key) + len(payload)
	s.largest = max(s.largest, more)
	if len(s.rows) > 0 && s.full(more) {
		if s.err = s.spill(); s.err != nil {
			return s.err
		}
	}
	s.grow(more)
	s.rows = append(s.rows, row{len(s.text), len(key), len(payload)})
	s.text = append(append(s.text, key...), payload...)
	return nil
}

// full tells whether a row has no place any more. Memory is for the text and the rows, which are not let grow past it.
func (s *sorter) full(more int) bool {
	if len(s.text)+more <= cap(s.text) && len(s.rows) < cap(s.rows) {
		return false
	}
	return s.used(more) > s.memory
}

// grow makes room for a row. What append would do is not bounded as used says.
func (s *sorter) grow(more int) {
	if need := len(s.text) + more; need > cap(s.text) {
		s.text = append(make([]byte, 0, max(2*cap(s.text), need)), s.text...)
	}
	if len(s.rows) == cap(s.rows) {
		s.rows = append(make([]row, 0, max(2*cap(s.rows), 64)), s.rows...)
	}
}

func (s *sorter) key(r row) string {
	if r.key == 0 {
		return ""
	}
	return unsafe.String(&s.text[r.at], r.key) // text is not written to while it is looked at
}

func (s *sorter) payload(r row) []byte {
	from := r.at + r.key
	return s.text[from : from+r.payload : from+r.payload]
}

// arrange sorts the rows in memory. Rows are in text in the order in which they were added.
func (s *sorter) arrange() {
	slices.SortFunc(s.rows, func(a, b row) int {
		if order := compareSorted(s.key(a), s.key(b)); order != 0 {
			return order
		}
		// An empty row is where the one after it is, and comes first.
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.payload, b.payload))
	})
}

// spill writes the rows in memory to a run.
func (s *sorter) spill() error {
	s.arrange()
	w, err := newRun(s.dir, s.memory)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, w)
	for _, r := range s.rows {
		if err := w.write(s.key(r), s.payload(r)); err != nil {
			return err
		}
	}
	if err := w.written(); err != nil {
		return err
	}
	s.rows = s.rows[:0]
	if cap(s.text) > s.memory { // for a row that was larger than all
		s.text = nil
	}
	s.text = s.text[:0]
	return nil
}

// sorted yields the rows in their order. An error is the last thing that it yields. It can be ranged over once; add is not called any more.
func (s *sorter) sorted() iter.Seq2[sortedRow, error] {
	return func(yield func(sortedRow, error) bool) {
		if s.err != nil {
			yield(sortedRow{}, s.err)
			return
		}
		s.err = errors.New("retl: the rows were sorted already")
		if len(s.runs) == 0 {
			s.arrange()
			for _, r := range s.rows {
				if !yield(sortedRow{string([]byte(s.key(r))), s.payload(r)}, nil) {
					return
				}
			}
			return
		}
		if err := s.reduce(); err != nil {
			yield(sortedRow{}, err)
			return
		}
		err := mergeRuns(s.runs, s.buffer(), func(r sortedRow) (bool, error) { return yield(r, nil), nil })
		if err != nil {
			yield(sortedRow{}, err)
		}
	}
}

// reduce spills what is left, gives the memory to the merge, and merges runs until they can all be read at once. Neighbours are merged, so
// that equal keys stay in order.
func (s *sorter) reduce() error {
	if len(s.rows) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.rows, s.text = nil, nil
	for len(s.runs) > s.ways() {
		for i := 0; i < len(s.runs); i++ {
			last := min(i+s.ways(), len(s.runs))
			if err := s.join(i, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// join makes one run of those from one place to another.
func (s *sorter) join(from, to int) error {
	if to-from < 2 {
		return nil
	}
	w, err := newRun(s.dir, s.memory)
	if err != nil {
		return err
	}
	err = mergeRuns(s.runs[from:to], s.buffer(), func(r sortedRow) (bool, error) { return true, w.write(r.Key, r.Payload) })
	if err == nil {
		err = w.written()
	}
	if err != nil {
		w.close()
		return err
	}
	for _, r := range s.runs[from:to] {
		err = errors.Join(err, r.close())
	}
	s.runs = slices.Replace(s.runs, from, to, w)
	return err
}

// ways is how many runs are read at once: of each, a row is in memory besides the buffer.
func (s *sorter) ways() int { return min(mergeWays, max(s.memory/(s.buffer()+s.largest), 2)) }

// buffer is how many bytes are read of each run at once.
func (s *sorter) buffer() int { return min(runBuffer, max(s.memory/(mergeWays+1), 1<<10)) }

// close removes the temporary files. It may be called at any time, more than once.
func (s *sorter) close() error {
	var errs []error
	for _, r := range s.runs {
		errs = append(errs, r.close())
	}
	s.runs, s.rows, s.text = nil, nil, nil
	if s.err == nil {
		s.err = errors.New("retl: the sorter is closed")
	}
	return errors.Join(errs...)
}

// mergeRuns calls each with the rows of all runs, in their order, until it returns false or an error.
func mergeRuns(runs []*run, buffer int, each func(sortedRow) (bool, error)) error {
	heads := make(runHeap, 0, len(runs))
	for i, r := range runs {
		h := &runHead{reader: r.reader(buffer), place: i}
		more, err := h.next()
		if err != nil {
			return err
		}
		if more {
			heads = append(heads, h)
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		h := heads[0]
		if on, err := each(h.now); err != nil || !on {
			return err
		}
		more, err := h.next()
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&heads, 0)
		} else {
			heap.Pop(&heads)
		}
	}
	return nil
}

// A runHead is a run and its next row.
type runHead struct {
	reader *runReader
	place  int
	now    sortedRow
}

func (h *runHead) next() (more bool, err error) {
	more, err = h.reader.next(&h.now)
	return more, err
}

type runHeap []*runHead

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	if order := compareSorted(h[i].now.Key, h[j].now.Key); order != 0 {
		return order < 0
	}
	return h[i].place < h[j].place
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)   { *h = append(*h, x.(*runHead)) }
func (h *runHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
