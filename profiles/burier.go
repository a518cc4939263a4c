package profiles

import "github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"

// unburied is the dead letter of what could not be made of a record. Its record has no outcome before it is written.
type unburied struct {
	index, i int // the record, and which of its outcomes
	letter   DeadLetter
}

// maxUnburied bounds what letters hold that are not written yet. The reader waits where they hold more.
const maxUnburied = 1 << 20

func (l *DeadLetter) size() int { return len(l.Event) + len(l.Text) + len(l.Message) }

// bury has a letter written, together with others that come meanwhile: many bad records do not cost a sync each.
func (r *run) bury(u unburied) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.traceLocked(&u.letter, uint64(u.index)<<8|uint64(u.i))
	r.slot(u.index).pending++
	r.pending++
	r.unburied = append(r.unburied, u)
	r.unburiedBytes += u.letter.size()
	if !r.burying {
		r.burying = true
		go r.runBurier()
	}
}

// runBurier writes letters for as long as there are any. Where that fails, their records are not done with, and no more are read.
func (r *run) runBurier() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.unburied) > 0 {
		all := r.unburied
		r.unburied, r.unburiedBytes = nil, 0
		fault := r.fault
		r.mu.Unlock()
		letters := make([]DeadLetter, len(all))
		for i := range all {
			letters[i] = all[i].letter
		}
		if fault == nil {
			fault = dispatch.Guard(func() error { return r.client.bury(letters) })
		}
		r.mu.Lock()
		r.buried(all, fault)
	}
	r.burying = false
}

// buried gives the outcomes free whose letters were written, or gives them up. It is called with mu held.
func (r *run) buried(all []unburied, fault error) {
	wanted := false
	for _, u := range all {
		s := r.slot(u.index)
		if fault != nil {
			r.giveUp(&s.outcome.Outcomes[u.i], fault)
		}
		s.pending--
		r.pending--
		wanted = wanted || u.index == r.head && s.pending == 0 || r.pending == 0
	}
	if fault != nil && r.fault == nil {
		r.fault = fault
	}
	signal(r.room) // the reader may be waiting there
	if wanted {
		signal(r.wake)
	}
}
