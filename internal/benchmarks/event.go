package benchmarks

import (
	"strconv"

	"github.com/posthog/posthog-go"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// marker is in every event once, however it is encoded: the server counts events by it.
const marker = "@"

// traits are the twelve traits of every event. Built once, before any measuring: what is measured is what the library does with them.
func traits() map[string]any {
	return map[string]any{
		"email":           "ada.lovelace@example.com",
		"first_name":      "Ada",
		"last_name":       "Lovelace",
		"company":         "Analytical Engines",
		"plan":            "enterprise",
		"lifecycle_stage": "customer",
		"city":            "London",
		"country":         "GB",
		"seats":           25,
		"mrr":             1249.5,
		"trial":           false,
		"created_at":      "2024-03-01T09:30:00Z",
	}
}

// people is how many profiles the events are about.
const people = 1000

// identifies returns one event for each profile, as Enqueue takes it: that it is put into an interface is part of making it, for us and
// for posthog-go.
func identifies() []actions.Action {
	all := make([]actions.Action, people)
	for i := range all {
		all[i] = actions.SendIdentify{UserID: "user-" + strconv.Itoa(100_000+i), Traits: traits()}
	}
	return all
}

// captures returns the same events for posthog-go.
func captures() []posthog.Message {
	all := make([]posthog.Message, people)
	for i := range all {
		all[i] = posthog.Capture{DistinctId: "user-" + strconv.Itoa(100_000+i), Event: "$identify", Properties: traits()}
	}
	return all
}

// records returns the same events as a mapping takes them.
func records() []profiles.Record {
	all := make([]profiles.Record, people)
	for i := range all {
		all[i] = profiles.Record{
			"type": "identify", "userId": "user-" + strconv.Itoa(100_000+i), "messageId": "message-" + strconv.Itoa(i), "traits": traits(),
		}
	}
	return all
}
