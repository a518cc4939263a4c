package transporttest

import "context"

// changes wakes those who wait for a state to change. The mutex that guards the state guards it too.
type changes struct{ wake chan struct{} }

// notify wakes all who wait. The state's mutex is held.
func (c *changes) notify() {
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// next returns a channel that is closed at the next change. The state's mutex is held.
func (c *changes) next() <-chan struct{} {
	if c.wake == nil {
		c.wake = make(chan struct{})
	}
	return c.wake
}

// await calls look until it says that all is done. Look reads the state and takes the channel of its next change in one go,
// under the state's mutex: no change falls between.
func await(ctx context.Context, look func() (done bool, next <-chan struct{})) error {
	for {
		done, next := look()
		if done {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
