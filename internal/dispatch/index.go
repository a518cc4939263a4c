package dispatch

// An entry is a queued message whose id others may use as well.
type entry struct {
	id    string
	epoch *epoch   // of the first
	lane  *lane    // of the first
	sum   uint64   // of the key and the bytes that tell it from others
	also  []joined // later messages that are the same, and end as the first does
}

// joined is a message that was offered while the same one was queued.
type joined struct {
	sink  Sink
	token uint64
	place
}

// An index finds queued messages by id, so that the same message is not queued twice, and two different messages do not
// travel under one id: the server would drop the second in silence.
type index map[string]*entry

// add makes an entry for a message that is queued now.
func (x index) add(id string, sum uint64, of *epoch) *entry {
	e := &entry{id: id, sum: sum, epoch: of}
	x[id] = e
	return e
}

// remove takes the message's entry out. Messages that come later under its id are new ones.
func (x index) remove(e *entry) {
	if x[e.id] == e {
		delete(x, e.id)
	}
}
