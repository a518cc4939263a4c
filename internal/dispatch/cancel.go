package dispatch

import "time"

// CancelSink ends all messages of a sink that are not on the wire as Canceled, and those that are if they would have to be sent
// again. The sink hears of each, some of them after CancelSink has returned. Forget has to be called when it has heard of all.
func (d *Dispatcher) CancelSink(sink Sink) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.canceled == nil {
		d.canceled = make(map[Sink]struct{})
	}
	d.canceled[sink] = struct{}{}
	now := time.Now()
	for _, k := range d.keys {
		for _, l := range k.lanes {
			if l != nil {
				d.withdraw(l)
				d.schedule(l, now)
			}
		}
		d.abandonClaims(k, sink, Canceled)
	}
	d.withdrawGraves()
	d.pump(now)
}

// Forget ends what CancelSink began.
func (d *Dispatcher) Forget(sink Sink) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.canceled, sink)
}

// withdraw takes the messages of canceled sinks out of a lane.
func (d *Dispatcher) withdraw(l *lane) {
	if len(d.canceled) == 0 {
		return
	}
	var gone []*batch
	kept := l.sealed[:0:0]
	for _, b := range l.sealed {
		if stays := d.divide(b, &gone); stays != nil {
			kept = append(kept, stays)
		}
	}
	l.sealed = kept
	if l.open != nil {
		if l.open = d.divide(l.open, &gone); l.open == nil {
			l.urgent = false
		}
	}
	if len(gone) > 0 {
		d.endBatches(l.key, gone, Canceled)
	}
}

// divide takes the messages of canceled sinks out of a batch, adds batches of them to gone, and returns what stays, which may be nil.
func (d *Dispatcher) divide(b *batch, gone *[]*batch) *batch {
	canceled := 0
	for i := range b.metas {
		d.part(b, i, gone)
		if d.isCanceled(b.metas[i].sink) {
			canceled++
		}
	}
	switch canceled {
	case 0:
		return b
	case len(b.metas):
		*gone = append(*gone, b)
		return nil
	}
	stay, leave := b.successor(), b.successor()
	for i := range b.metas {
		to := stay
		if d.isCanceled(b.metas[i].sink) {
			to = leave
		}
		to.wire.Append(b.wire.Message(i))
		to.metas = append(to.metas, b.metas[i])
	}
	if d.gate.reserved == b {
		d.gate.reserved = stay
	}
	b.free()
	*gone = append(*gone, leave)
	return stay
}

// part separates a message from those that have joined it and are canceled. Where it is canceled itself and others have joined it,
// one of those takes its place.
func (d *Dispatcher) part(b *batch, i int, gone *[]*batch) {
	m := &b.metas[i]
	if m.entry == nil || len(m.entry.also) == 0 {
		return
	}
	all := append([]joined{{sink: m.sink, token: m.token, place: m.place}}, m.entry.also...)
	var stay, leave []joined
	for _, j := range all {
		if d.isCanceled(j.sink) {
			leave = append(leave, j)
		} else {
			stay = append(stay, j)
		}
	}
	if len(stay) == 0 { // they all go with the first
		stay, leave = leave[:1], leave[1:]
	}
	m.sink, m.token, m.place = stay[0].sink, stay[0].token, stay[0].place
	m.entry.also = stay[1:]
	if len(leave) == 0 {
		return
	}
	alone := newBatch(b.wire.WriteKey, b.epoch)
	alone.shared = true
	alone.attempts, alone.last, alone.fault, alone.ambiguous = b.attempts, b.last, b.fault, b.ambiguous
	for _, j := range leave {
		alone.wire.Append(b.wire.Message(i))
		alone.metas = append(alone.metas, meta{sink: j.sink, token: j.token, place: j.place, profile: m.profile, idStart: m.idStart, idEnd: m.idEnd})
	}
	*gone = append(*gone, alone)
}

func (d *Dispatcher) isCanceled(s Sink) bool {
	if s == nil {
		return false
	}
	_, ok := d.canceled[s]
	return ok
}
