package dispatch

import (
	"sync"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// hotProfiles counts events that were sent for one profile beyond what Segment takes for it in a second. It remembers a
// bounded number of profiles, and may miss some where many are sent: it is a warning light, not an account. It has a lock of its own, so
// that nobody who queues a message waits for it.
type hotProfiles struct {
	mu     sync.Mutex
	second time.Time
	slots  []hotSlot
	count  int // events beyond the limit
}

type hotSlot struct {
	profile uint64
	events  int32
}

const hotSlots = 4096

// sent counts the messages of a batch.
func (h *hotProfiles) sent(b *batch, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slots == nil {
		h.slots = make([]hotSlot, hotSlots)
	}
	if now.Sub(h.second) >= time.Second {
		clear(h.slots)
		h.second = now
	}
	for i := range b.metas {
		profile := b.metas[i].profile
		s := &h.slots[profile%hotSlots]
		if s.profile != profile {
			*s = hotSlot{profile: profile}
		}
		if s.events++; s.events > transport.ProfileEventsPerSecond {
			h.count++
		}
	}
}

// total returns how many events there were beyond the limit.
func (h *hotProfiles) total() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}
