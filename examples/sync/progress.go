package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// How often progress is shown: on a terminal, and elsewhere.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 5 * time.Second
)

// A screen is standard error: lines, and below them on a terminal a bar. It is safe for concurrent use. What cannot be written is
// lost: there is nowhere left to say so.
type screen struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	drawn    bool // the bar stands on the last line
	next     time.Time
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w, next: time.Now().Add(lineEvery)}
	if s.terminal = isTerminal(w); s.terminal {
		s.next = time.Time{}
	}
	return s
}

// isTerminal tells whether what is written to w is seen on a terminal, or goes to another device, which does no harm.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printf writes a line.
func (s *screen) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.w, format+"\n", args...)
}

// progress shows how far a sync has come, unless it did so a moment ago. Of size 0 is an input whose size is not known.
func (s *screen) progress(records, failed int, offset, size int64) {
	s.show(offset, size, func() string {
		if failed > 0 {
			return fmt.Sprintf("%d records, %d failed", records, failed)
		}
		return fmt.Sprintf("%d records", records)
	})
}

// show shows a text as progress does.
func (s *screen) show(offset, size int64, of func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(s.next) {
		return
	}
	text := of()
	if !s.terminal {
		s.next = now.Add(lineEvery)
		if size > 0 {
			text += fmt.Sprintf(", %d%%", percent(offset, size))
		}
		fmt.Fprintln(s.w, text)
		return
	}
	s.next = now.Add(barEvery)
	if size > 0 {
		text = bar(percent(offset, size)) + " " + text
	}
	s.clear()
	fmt.Fprint(s.w, text)
	s.drawn = true
}

// done takes the bar away.
func (s *screen) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

// clear takes the bar away. The lock must be held.
func (s *screen) clear() {
	if s.drawn {
		fmt.Fprint(s.w, "\r\x1b[K")
		s.drawn = false
	}
}

// percent allows for a file that has grown since its size was looked at.
func percent(offset, size int64) int { return int(min(offset*100/size, 100)) }

// bar draws a bar of 30 characters.
func bar(percent int) string {
	const width = 30
	full := percent * width / 100
	return fmt.Sprintf("[%s%s] %3d%%", strings.Repeat("=", full), strings.Repeat(" ", width-full), percent)
}
