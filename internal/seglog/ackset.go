package seglog

import (
	"math/bits"
	"slices"
)

// An ackSet is a set of seqs that fills up from below: a bit for each where it is patchy, next to nothing where it is not. Its zero
// value is empty.
type ackSet struct {
	pages map[uint64]*page // those that have some of their seqs, and not all
	full  []pageRange      // those that have all, in order, never adjacent
	top   Seq              // the highest seq in the set
}

const (
	pageBits = 12
	pageSeqs = 1 << pageBits
)

type page struct {
	n    int
	bits [pageSeqs / 64]uint64
}

type pageRange struct{ first, last uint64 }

// A seqRange is the seqs from first to last, both included.
type seqRange struct{ first, last Seq }

func (s *ackSet) isFull(number uint64) bool {
	_, ok := slices.BinarySearchFunc(s.full, number, func(r pageRange, n uint64) int {
		switch {
		case r.last < n:
			return -1
		case r.first > n:
			return 1
		}
		return 0
	})
	return ok
}

// has tells whether seq is in the set.
func (s *ackSet) has(seq Seq) bool {
	number := uint64(seq) >> pageBits
	if p := s.pages[number]; p != nil {
		return p.bits[seq%pageSeqs/64]&(1<<(seq%64)) != 0
	}
	return s.isFull(number)
}

// add puts seq into the set, and tells whether it is new there.
func (s *ackSet) add(seq Seq) bool {
	number := uint64(seq) >> pageBits
	p := s.pages[number]
	if p == nil {
		if s.isFull(number) {
			return false
		}
		if s.pages == nil {
			s.pages = make(map[uint64]*page)
		}
		p = new(page)
		s.pages[number] = p
	}
	word, bit := &p.bits[seq%pageSeqs/64], uint64(1)<<(seq%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	s.top = max(s.top, seq)
	if p.n++; p.n == pageSeqs {
		delete(s.pages, number)
		s.fill(pageRange{number, number})
	}
	return true
}

// addRange puts all seqs from first to last into the set. Its cost is that of the pages, not of the seqs, but for the two at its ends.
func (s *ackSet) addRange(first, last Seq) {
	if first > last {
		return
	}
	for ; first%pageSeqs != 0 && first <= last; first++ {
		s.add(first)
	}
	for ; (last+1)%pageSeqs != 0 && last >= first; last-- {
		s.add(last)
	}
	if first > last {
		return
	}
	s.top = max(s.top, last)
	from, to := uint64(first)>>pageBits, uint64(last)>>pageBits
	for _, r := range s.numbers(from, to) {
		delete(s.pages, r.first) // a full one is not there
	}
	s.fill(pageRange{from, to})
}

// fill notes that the pages of r are full.
func (s *ackSet) fill(r pageRange) {
	i, _ := slices.BinarySearchFunc(s.full, r.first, func(have pageRange, first uint64) int {
		if have.last+1 < first {
			return -1
		}
		return 1
	}) // the first that ends right before r or later
	j := i
	for j < len(s.full) && s.full[j].first <= r.last+1 {
		r.first = min(r.first, s.full[j].first)
		r.last = max(r.last, s.full[j].last)
		j++
	}
	s.full = slices.Replace(s.full, i, j, r)
}

// count returns how many of the seqs from first to last are in the set.
func (s *ackSet) count(first, last Seq) int64 {
	total := int64(0)
	s.each(first, last, func(r seqRange) { total += int64(r.last - r.first + 1) })
	return total
}

// each calls visit with the ranges of the set's seqs between first and last, in order, never adjacent.
func (s *ackSet) each(first, last Seq, visit func(r seqRange)) {
	last = min(last, s.top)
	if first > last {
		return
	}
	var open seqRange // 0, 0 where none is
	emit := func(from, to Seq) {
		from, to = max(from, first), min(to, last)
		if from > to {
			return
		}
		if open.last != 0 && open.last+1 == from {
			open.last = to
			return
		}
		if open.last != 0 {
			visit(open)
		}
		open = seqRange{from, to}
	}
	for _, number := range s.numbers(uint64(first)>>pageBits, uint64(last)>>pageBits) {
		if p := s.pages[number.first]; p != nil {
			p.each(Seq(number.first)<<pageBits, emit)
			continue
		}
		emit(Seq(number.first)<<pageBits, Seq(number.last)<<pageBits+pageSeqs-1)
	}
	if open.last != 0 {
		visit(open)
	}
}

// numbers returns the pages between from and to that have something, in order: patchy ones alone, full ones as ranges.
func (s *ackSet) numbers(from, to uint64) []pageRange {
	var list []pageRange
	if to-from < uint64(len(s.pages)) {
		for n := from; n <= to; n++ {
			if s.pages[n] != nil {
				list = append(list, pageRange{n, n})
			}
		}
	} else {
		for n := range s.pages {
			if n >= from && n <= to {
				list = append(list, pageRange{n, n})
			}
		}
	}
	i, _ := slices.BinarySearchFunc(s.full, from, func(have pageRange, n uint64) int {
		if have.last < n {
			return -1
		}
		return 1
	})
	for ; i < len(s.full) && s.full[i].first <= to; i++ {
		list = append(list, s.full[i])
	}
	slices.SortFunc(list, func(a, b pageRange) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	return list
}

// each calls emit with the runs of a page's seqs. base is the page's first seq.
func (p *page) each(base Seq, emit func(from, to Seq)) {
	for i, word := range p.bits {
		at := base + Seq(i)*64
		for word != 0 {
			skip := bits.TrailingZeros64(word)
			word >>= skip
			at += Seq(skip)
			run := bits.TrailingZeros64(^word)
			emit(at, at+Seq(run)-1)
			if run == 64 {
				break
			}
			word >>= run
			at += Seq(run)
		}
	}
}
