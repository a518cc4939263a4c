package retl

import (
	"bytes"
	"context"
	"errors"
	command "flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// The long run: go test ./profiles/retl -run StateSurvives -statecuts=100000.
var stateCuts = command.Uint64("statecuts", 300, "lives that TestStateSurvives lives")

var bg = context.Background()

func openMem(files stateFiles) (*FileState, error) {
	return openFiles(files, "state", "state", (*FileState).load)
}

func readState(s State) ([]Entry, error) {
	var entries []Entry
	for e, err := range s.Entries(bg) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func equalEntries(a, b Entry) bool {
	if !a.Found.Equal(b.Found) {
		return false
	}
	a.Found, b.Found = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

// A promise is what a state has to hold after a crash: for each key one of several entries; nil stands for none.
type promise struct {
	keys  map[string][]*Entry
	heads []Head
}

func newPromise() *promise { return &promise{keys: map[string][]*Entry{}, heads: []Head{{}}} }

// may adds what may be there, besides what there is now.
func (p *promise) may(key string, e *Entry) {
	if p.keys[key] == nil {
		p.keys[key] = []*Entry{nil}
	}
	p.keys[key] = append(p.keys[key], e)
}

func (p *promise) must(key string, e *Entry) { p.keys[key] = []*Entry{e} }

// settle checks a state, and takes what it holds as certain from now on.
func (p *promise) settle(s State) error {
	entries, err := readState(s)
	if err != nil {
		return fmt.Errorf("Entries: %w", err)
	}
	if !slices.IsSortedFunc(entries, func(a, b Entry) int { return CompareKeys(a.Key, b.Key) }) {
		return errors.New("entries are not in order")
	}
	got := map[string]*Entry{}
	for i := range entries {
		got[entries[i].Key] = &entries[i]
	}
	if len(got) != len(entries) {
		return errors.New("a key is there twice")
	}
	for key := range got {
		if p.keys[key] == nil {
			return fmt.Errorf("nobody has put %q there", key)
		}
	}
	for key, allowed := range p.keys {
		e := got[key]
		if !slices.ContainsFunc(allowed, func(a *Entry) bool {
			return a == nil && e == nil || a != nil && e != nil && equalEntries(*a, *e)
		}) {
			return fmt.Errorf("%q: %+v is not one of %d that it may be", key, e, len(allowed))
		}
		p.must(key, e)
	}
	head, err := s.Head(bg)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(p.heads, func(h Head) bool { return reflect.DeepEqual(h, head) }) {
		return fmt.Errorf("the head is %+v", head)
	}
	p.heads = []Head{head}
	return nil
}

// sync runs one sync of random rows against a state and notes what was promised. It stops at the first error.
func (p *promise) sync(s State, random *rand.Rand) error {
	if _, err := readState(s); err != nil { // as a sync does, and what begins it
		return err
	}
	keys := map[string]bool{}
	for range random.IntN(30) {
		keys[randomKey(random)] = true
	}
	order := slices.SortedFunc(func(yield func(string) bool) {
		for key := range keys {
			if !yield(key) {
				return
			}
		}
	}, CompareKeys)
	for len(order) > 0 {
		n := min(1+random.IntN(8), len(order))
		batch := order[:n]
		order = order[n:]
		var entries []Entry
		var marks []Mark
		for _, key := range batch {
			what := random.IntN(6)
			if what > 0 {
				e := randomEntry(key, random)
				e.Gone = what == 1
				entries = append(entries, e)
			}
			if what%2 == 0 {
				marks = append(marks, Mark{Key: key, Accepted: random.Uint64(), Seen: random.Uint64(), GivenUp: random.Uint64(), Tries: random.IntN(6)})
			}
		}
		if err := p.send(s, entries); err != nil {
			return err
		}
		if err := p.mark(s, marks); err != nil {
			return err
		}
	}
	switch random.IntN(8) {
	case 0:
		return nil
	case 1:
		return p.reset(s, random)
	}
	return p.commit(s, random)
}

func (p *promise) send(s State, entries []Entry) error {
	now := make([]*Entry, len(entries))
	for i, e := range entries {
		e.Row = bytes.Clone(e.Row)
		if !e.Gone {
			now[i] = &e
		}
		p.may(e.Key, now[i])
	}
	if err := s.Sending(bg, entries); err != nil {
		return err
	}
	for i, e := range entries {
		p.must(e.Key, now[i])
	}
	return nil
}

func (p *promise) mark(s State, marks []Mark) error {
	for _, m := range marks {
		for _, e := range p.keys[m.Key] {
			if e != nil {
				marked := *e
				m.apply(&marked)
				p.may(m.Key, &marked)
			}
		}
	}
	return s.Sent(bg, marks)
}

func (p *promise) commit(s State, random *rand.Rand) error {
	head := Head{Model: "m", Generation: random.Int(), Mappings: []string{"a"}}
	p.heads = append(p.heads, head)
	if err := s.Commit(bg, head); err != nil {
		return err
	}
	p.heads = []Head{head}
	for key, allowed := range p.keys { // marks are certain now
		p.must(key, allowed[len(allowed)-1])
	}
	return nil
}

// reset is all or nothing, which settle cannot tell: what is there instead is checked by TestResetIsOneStep.
func (p *promise) reset(s State, random *rand.Rand) error {
	head := Head{Model: "reset", Generation: random.Int()}
	p.heads = append(p.heads, head)
	for key := range p.keys {
		p.may(key, nil)
	}
	if err := s.Reset(bg, head); err != nil {
		return err
	}
	p.heads = []Head{head}
	for key := range p.keys {
		p.must(key, nil)
	}
	return nil
}

func randomKey(random *rand.Rand) string {
	if random.IntN(2) == 0 {
		return fmt.Sprint(random.IntN(120) - 20)
	}
	return fmt.Sprintf("key-%02d", random.IntN(60))
}

func randomEntry(key string, random *rand.Rand) Entry {
	e := Entry{Key: key, Version: random.IntN(1000), Accepted: random.Uint64() >> random.IntN(64), Tries: random.IntN(3), New: random.Uint64() >> random.IntN(64), GivenUp: random.Uint64() >> random.IntN(64)}
	e.Sum[random.IntN(16)] = byte(random.IntN(3))
	e.Seen = e.Accepted
	if random.IntN(2) == 0 {
		e.Seen = random.Uint64()
	}
	if random.IntN(3) > 0 {
		e.Found = time.Unix(int64(random.IntN(4)), int64(random.IntN(2))).UTC()
	}
	if random.IntN(3) > 0 {
		e.Row = make([]byte, random.IntN(300))
		for i := range e.Row {
			e.Row[i] = byte(random.Uint32())
		}
	}
	return e
}

// lives lives several lives of a state, each ended at the nth change of its files, by a kill or a power cut, openings included.
func lives(seed uint64, kill bool) error {
	random := rand.New(rand.NewPCG(seed, 1))
	mem := vfstest.NewMem()
	p := newPromise()
	for life := range 6 {
		faults := vfstest.NewFaults(mem)
		faults.PowerOff(1 + random.IntN(60))
		s, err := openMem(faults)
		if err == nil {
			err = p.settle(s)
			for err == nil && !faults.IsOff() {
				err = p.sync(s, random)
			}
		}
		if !faults.IsOff() {
			return fmt.Errorf("life %d: %w", life, err)
		}
		if !errors.Is(err, vfstest.ErrPowerOff) {
			return fmt.Errorf("life %d ended with: %v", life, err)
		}
		next := mem.Kill()
		if !kill {
			next = mem.PowerCut(random.Uint64())
		}
		if s != nil {
			s.Close()
		}
		mem = next
	}
	s, err := openMem(mem)
	if err != nil {
		return fmt.Errorf("at last: %w", err)
	}
	defer s.Close()
	if err := p.settle(s); err != nil {
		return fmt.Errorf("at last: %w", err)
	}
	for _, name := range mem.Names() {
		if name != "state" && name != "state.lock" && name != "state.head" {
			return fmt.Errorf("%s is left over", name)
		}
	}
	return nil
}

func TestStateSurvives(t *testing.T) {
	for name, kill := range map[string]bool{"kill": true, "power cut": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range *stateCuts {
				if err := lives(seed, kill); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// Every change that one sync makes, and that the opening after a crash makes in its turn, is where the next crash comes.
func TestStateSurvivesEachStep(t *testing.T) {
	for seed := range uint64(4) {
		for step := 1; ; step++ {
			over, err := crashAt(seed, step)
			if err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			if over {
				if step < 15 {
					t.Fatalf("a sync has %d steps", step)
				}
				break
			}
		}
	}
}

func crashAt(seed uint64, step int) (over bool, err error) {
	random := rand.New(rand.NewPCG(seed, 2))
	mem, p := vfstest.NewMem(), newPromise()
	s, err := openMem(mem)
	if err != nil {
		return false, err
	}
	for range 3 {
		if err := p.sync(s, random); err != nil {
			return false, err
		}
	}
	if err := errors.Join(p.settle(s), s.Close()); err != nil {
		return false, err
	}
	faults := vfstest.NewFaults(mem)
	faults.PowerOff(step)
	if s, err = openMem(faults); err == nil {
		err = p.sync(s, random)
		if err == nil {
			err = p.commit(s, random)
		}
		if err == nil {
			err = p.commit(s, random) // the head alone
		}
		if err == nil {
			err = p.sync(s, random)
		}
	}
	if !faults.IsOff() {
		return true, err
	}
	for cut := range uint64(4) {
		for again := 1; ; again++ {
			left := mem.PowerCut(cut)
			if cut == 0 {
				left = mem.Kill()
			}
			second := vfstest.NewFaults(left)
			second.PowerOff(again)
			s2, err := openMem(second)
			if err == nil {
				s2.Close()
			}
			off := second.IsOff()
			if err != nil && !off {
				return false, fmt.Errorf("cut %d: %w", cut, err)
			}
			last := left.Kill()
			if again%2 == 1 {
				last = left.PowerCut(uint64(again))
			}
			s3, err := openMem(last)
			if err != nil {
				return false, fmt.Errorf("cut %d, again %d: %w", cut, again, err)
			}
			q := &promise{keys: map[string][]*Entry{}, heads: p.heads}
			for key, allowed := range p.keys {
				q.keys[key] = allowed
			}
			if err := q.settle(s3); err != nil {
				return false, fmt.Errorf("cut %d, again %d: %w", cut, again, err)
			}
			s3.Close()
			if !off {
				break
			}
		}
	}
	return false, nil
}

// A reset is all or nothing, right after a fold whose logs may come back, too.
func TestResetIsOneStep(t *testing.T) {
	for step := 1; ; step++ {
		mem := vfstest.NewMem()
		s := stateWith(t, mem, 50)
		if err := s.Sending(bg, []Entry{{Key: "1000"}}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		faults := vfstest.NewFaults(mem)
		s, err := openMem(faults)
		if err != nil {
			t.Fatal(err)
		}
		faults.PowerOff(step)
		err = s.Reset(bg, Head{Model: "reset"})
		for cut := range uint64(100) {
			after, openErr := openMem(mem.PowerCut(cut))
			if openErr != nil {
				t.Fatalf("step %d, cut %d: %v", step, cut, openErr)
			}
			entries, readErr := readState(after)
			head, _ := after.Head(bg)
			after.Close()
			if n := len(entries); readErr != nil || n != 0 && n != 51 || (n == 0) != (head.Model == "reset") || err == nil && n != 0 {
				t.Fatalf("step %d, cut %d: %d entries, %v, head %+v", step, cut, n, readErr, head)
			}
		}
		if !faults.IsOff() {
			return
		}
	}
}

// stateWith returns a state with that many entries and a head.
func stateWith(t testing.TB, mem stateFiles, n int) *FileState {
	t.Helper()
	s, err := openMem(mem)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(uint64(n), 3))
	var entries []Entry
	for i := range n {
		entries = append(entries, randomEntry(fmt.Sprint(i), random))
	}
	if err := s.Sending(bg, entries); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(bg, Head{Model: "m", Mappings: []string{"id"}}); err != nil {
		t.Fatal(err)
	}
	return s
}

// A disk that is full, or fails, is an error; what was there stays, and where nothing is uncertain the same call succeeds later.
func TestStateFaults(t *testing.T) {
	for _, op := range []vfstest.Op{vfstest.Create, vfstest.Write, vfstest.Sync, vfstest.SyncDir, vfstest.Rename, vfstest.Remove, vfstest.Open, vfstest.Read} {
		for after := range 6 {
			mem := vfstest.NewMem()
			stateWith(t, mem, 20).Close()
			faults := vfstest.NewFaults(mem)
			s, err := openMem(faults)
			if err != nil {
				t.Fatal(err)
			}
			p := newPromise()
			p.heads = []Head{{Model: "m", Mappings: []string{"id"}}}
			entries, err := readState(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				p.must(e.Key, &e)
			}
			broken := errors.New("broken")
			fault := faults.Inject(&vfstest.Fault{Ops: op, After: after, Err: broken, Short: 500})
			random := rand.New(rand.NewPCG(7, 7))
			err = p.send(s, []Entry{{Key: "3", Version: 5}, {Key: "x"}})
			if err == nil {
				err = p.mark(s, []Mark{{Key: "3", Tries: 4}})
			}
			if err == nil {
				err = p.commit(s, random)
			}
			hits := faults.Hits(fault)
			if (hits > 0) != (err != nil) {
				t.Fatalf("op %d after %d: %d hits, and %v", op, after, hits, err)
			}
			if err != nil && !errors.Is(err, broken) {
				t.Fatalf("op %d after %d: %v", op, after, err)
			}
			faults.Mend(fault)
			if hits > 0 && s.failed == nil { // nothing is uncertain
				if err := p.commit(s, random); err != nil {
					t.Fatalf("op %d after %d: once more: %v", op, after, err)
				}
			}
			s.Close()
			if s, err = openMem(mem); err != nil {
				t.Fatalf("op %d after %d: %v", op, after, err)
			}
			if err := p.settle(s); err != nil {
				t.Fatalf("op %d after %d: %v", op, after, err)
			}
		}
	}
}

// Random syncs leave the same in a file and in memory.
func TestStateModel(t *testing.T) {
	for seed := range uint64(200) {
		mem := vfstest.NewMem()
		s, err := openMem(mem)
		if err != nil {
			t.Fatal(err)
		}
		model := new(MemoryState)
		for round := range 6 {
			for _, state := range []State{s, model} {
				random := rand.New(rand.NewPCG(seed, uint64(round)))
				if err := newPromise().sync(state, random); err != nil {
					t.Fatal(err)
				}
			}
			if round%3 == 2 {
				s.Close()
				mem = mem.Kill()
				if s, err = openMem(mem); err != nil {
					t.Fatal(err)
				}
			}
			got, err := readState(s)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := readState(model)
			if !slices.EqualFunc(got, want, equalEntries) {
				t.Fatalf("seed %d, round %d: %d entries, want %d:\n%+v\n%+v", seed, round, len(got), len(want), got, want)
			}
			a, _ := s.Head(bg)
			b, _ := model.Head(bg)
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: head %+v, want %+v", seed, a, b)
			}
		}
		s.Close()
	}
}
