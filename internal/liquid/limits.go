package liquid

import (
	"strconv"
	"time"
)

// Limits bound what a template may cost. The zero value is Segment's: a field that is zero has its default.
type Limits struct {
	// Length is how long a template may be, in UTF-16 units. Defaults to 1,000.
	Length int
	// Time is how long one render may take. Defaults to 500 ms.
	Time time.Duration
	// Memory is how much one render may allocate, all its intermediate results added up, in bytes. Defaults to 100,000,000.
	Memory int
	// Steps is how much one render may do, whatever the clock says: a step is a tag, a filter, an item of an array, or the
	// handling of 64 bytes of text. Defaults to 10,000,000.
	Steps int
}

const (
	defaultLength = 1_000
	defaultTime   = 500 * time.Millisecond
	defaultMemory = 100_000_000
	defaultSteps  = 10_000_000
)

func (l Limits) orDefaults() Limits {
	if l.Length <= 0 {
		l.Length = defaultLength
	}
	if l.Time <= 0 {
		l.Time = defaultTime
	}
	if l.Memory <= 0 {
		l.Memory = defaultMemory
	}
	if l.Steps <= 0 {
		l.Steps = defaultSteps
	}
	return l
}

const (
	// bytesPerStep is how many bytes of text are read or copied for one step.
	bytesPerStep = 64
	// bytesPerItem is what an item of an array takes: an interface, and the number or the text behind it.
	bytesPerItem = 32
	// stepsPerLook is how many steps are taken between two looks at the clock. A render that ends before the first never looks.
	stepsPerLook = 4096
	// maxDepth is how deep blocks, brackets and values may lie within each other.
	maxDepth = 1000
)

// budget counts what a render costs. Its first failure stays; after that everything it is asked for is refused, so that a
// filter need not ask before each of its steps but before each of its larger ones.
type budget struct {
	limits   Limits
	memory   float64 // a number as LiquidJS counts: a width that a template asks for may be any
	steps    int
	nextLook int
	started  time.Time
	failure  string
}

// fail ends the render with reason.
func (b *budget) fail(reason string) {
	if b.failure == "" {
		b.failure = reason
	}
}

func (b *budget) failed() bool { return b.failure != "" }

// step takes n steps and tells whether the render may go on.
func (b *budget) step(n int) bool {
	b.steps += n
	if b.steps >= b.nextLook {
		b.look()
	}
	return b.failure == ""
}

func (b *budget) look() {
	b.nextLook = b.steps + stepsPerLook
	if b.steps > b.limits.Steps {
		b.fail("rendering took more than " + strconv.Itoa(b.limits.Steps) + " steps")
		return
	}
	now := time.Now()
	if b.started.IsZero() {
		b.started = now
	}
	if now.Sub(b.started) > b.limits.Time {
		b.fail("rendering took longer than " + b.limits.Time.String())
	}
}

// read takes the steps for going through n bytes of text.
func (b *budget) read(n int) bool { return b.step(n/bytesPerStep + 1) }

// walk takes the steps for going through n bytes of text character by character.
func (b *budget) walk(n int) bool { return b.step(n/8 + 1) }

// use takes n bytes of memory, and the steps for filling them.
func (b *budget) use(n int) bool {
	b.want(float64(n))
	return b.failure == "" && b.read(n)
}

// want takes n units of memory as LiquidJS does, before they are needed; what is not a number above zero takes none.
func (b *budget) want(n float64) bool {
	if n > 0 {
		b.memory += n
		if b.memory > float64(b.limits.Memory) {
			b.fail("rendering needed more than " + strconv.Itoa(b.limits.Memory) + " bytes")
		}
	}
	return b.failure == ""
}

// items takes the memory and the steps for an array of n items.
func (b *budget) items(n int) bool {
	b.want(float64(n * bytesPerItem))
	return b.failure == "" && b.step(n+1)
}

// grow returns dst with room for n bytes more, and whether there is that much.
func (b *budget) grow(dst []byte, n int) ([]byte, bool) {
	if len(dst)+n <= cap(dst) {
		return dst, b.read(n)
	}
	const smallest = 64
	size := max(2*cap(dst), len(dst)+n, smallest)
	if !b.use(size) {
		return dst, false
	}
	return append(make([]byte, 0, size), dst...), true
}

// substring is substring, and takes the steps for finding where units lie in text that is not ASCII.
func (r *run) substring(s string, from, to int) string {
	if to > len(s) || !isASCII(s[:to]) {
		r.walk(min(to, len(s)))
	}
	return substring(s, from, to)
}
