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
	}
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
		stay, go_ := d.divide(b)
		if stay != nil {
			kept = append(kept, stay)
		}
		if go_ != nil {
			gone = append(gone, go_)
		}
	}
	l.sealed = kept
	if l.open != nil {
		var go_ *batch
		if l.open, go_ = d.divide(l.open); go_ != nil {
			gone = append(gone, go_)
		}
		if l.open == nil {
			l.urgent = false
		}
	}
	if len(gone) > 0 {
		d.cancelBatches(gone)
	}
}

// divide parts a batch into messages that stay and messages that were canceled; either may be nil. A message that others have
// joined stays, for they still want it.
func (d *Dispatcher) divide(b *batch) (stay, gone *batch) {
	canceled := 0
	for i := range b.metas {
		if d.isCanceled(&b.metas[i]) {
			canceled++
		}
	}
	switch canceled {
	case 0:
		return b, nil
	case len(b.metas):
		return nil, b
	}
	stay, gone = b.successor(), b.successor()
	for i := range b.metas {
		to := stay
		if d.isCanceled(&b.metas[i]) {
			to = gone
		}
		to.wire.Append(b.wire.Message(i))
		to.metas = append(to.metas, b.metas[i])
	}
	d.gate.unreserve(b)
	b.free()
	return stay, gone
}

func (d *Dispatcher) isCanceled(m *meta) bool {
	if m.sink == nil || m.entry != nil && len(m.entry.also) > 0 {
		return false
	}
	_, ok := d.canceled[m.sink]
	return ok
}
