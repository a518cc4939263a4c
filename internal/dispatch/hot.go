package dispatch

import (
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// hotProfiles counts events that were sent for one profile beyond what Segment takes for it in a second. It remembers a
// bounded number of profiles, and may miss some where many are sent: it is a warning light, not an account. Dispatcher.mu
// guards it.
type hotProfiles struct {
	second time.Time
	slots  []hotSlot
	count  int // events beyond the limit
}

type hotSlot struct {
	profile uint64
	events  int32
}

const hotSlots = 4096

// sent counts one event.
func (h *hotProfiles) sent(profile uint64, now time.Time) {
	if h.slots == nil {
		h.slots = make([]hotSlot, hotSlots)
	}
	if now.Sub(h.second) >= time.Second {
		clear(h.slots)
		h.second = now
	}
	s := &h.slots[profile%hotSlots]
	if s.profile != profile {
		*s = hotSlot{profile: profile}
	}
	if s.events++; s.events > transport.ProfileEventsPerSecond {
		h.count++
	}
}
