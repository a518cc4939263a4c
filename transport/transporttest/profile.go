package transporttest

import (
	"cmp"
	"maps"
	"slices"
)

// A Profile is what Segment would now hold about one person in one Profile Space.
type Profile struct {
	// ID is the user id, else the first anonymous id, else the first external id; "" where there is no such profile.
	ID string
	// UserID is the user id, "" while the person is known by other ids only.
	UserID string
	// AnonymousIDs and ExternalIDs are the other ids, in the order in which they came.
	AnonymousIDs []string
	ExternalIDs  []ExternalID
	// Traits are merged from identify calls in the order of their arrival; null takes a trait away. Numbers are json.Number.
	Traits map[string]any
	// Groups are the ids of the groups that group calls put the person into, in the order in which they came.
	Groups []string
	// Events are the person's track, page and screen calls in the order of their arrival.
	Events []Event
	// Subscriptions has one entry for each channel and contact value, in the order in which they came.
	Subscriptions []Subscription
	// Consent is the last context.consent that was not empty.
	Consent map[string]any
}

// An ExternalID is an id other than user id and anonymous id: Type is email, phone, android.push_token, ios.push_token, ...
type ExternalID struct{ Type, ID string }

// A Subscription is the state of one channel (EMAIL, SMS, WHATSAPP, ANDROID_PUSH, IOS_PUSH) for one contact value.
type Subscription struct {
	Channel, Key string
	// Status is SUBSCRIBED, UNSUBSCRIBED or DID_NOT_SUBSCRIBE, as it was sent.
	Status string
	// Groups has the status of each subscription group by its name, nil where there is none.
	Groups map[string]string
}

// Subscription returns the state of one channel for one contact value, the zero value where there is none.
func (p Profile) Subscription(channel, key string) Subscription {
	for _, s := range p.Subscriptions {
		if s.Channel == channel && s.Key == key {
			return s
		}
	}
	return Subscription{}
}

// A Group is what Segment would now hold about one group of one Profile Space.
type Group struct {
	// ID is the group id, "" where there is no such group.
	ID string
	// Traits are merged from group calls like those of a profile.
	Traits map[string]any
	// Members are the profiles' ids, as Profile.ID, in the order in which they came.
	Members []string
}

// A profile is a Profile as the server keeps it.
type profile struct {
	born          int // the order in which profiles came
	userID        string
	anonymousIDs  []string
	externalIDs   []ExternalID
	traits        map[string]any
	groups        []string
	events        []*event
	subscriptions []Subscription
	consent       map[string]any
}

func (p *profile) id() string {
	switch {
	case p.userID != "":
		return p.userID
	case len(p.anonymousIDs) > 0:
		return p.anonymousIDs[0]
	case len(p.externalIDs) > 0:
		return p.externalIDs[0].ID
	}
	return ""
}

func (p *profile) copy() Profile {
	c := Profile{
		ID: p.id(), UserID: p.userID, AnonymousIDs: slices.Clone(p.anonymousIDs), ExternalIDs: slices.Clone(p.externalIDs),
		Traits: cloneMap(p.traits), Groups: slices.Clone(p.groups), Events: copyEvents(p.events),
		Subscriptions: slices.Clone(p.subscriptions), Consent: cloneMap(p.consent),
	}
	for i := range c.Subscriptions {
		c.Subscriptions[i].Groups = maps.Clone(c.Subscriptions[i].Groups)
	}
	return c
}

func copyEvents(events []*event) []Event {
	if events == nil {
		return nil
	}
	c := make([]Event, len(events))
	for i, e := range events {
		c[i] = e.copy()
	}
	return c
}

// setTraits merges traits into others; null takes one away.
func setTraits(into *map[string]any, traits map[string]any) {
	if *into == nil {
		*into = make(map[string]any)
	}
	for name, v := range traits {
		if v == nil {
			delete(*into, name)
		} else {
			(*into)[name] = v
		}
	}
}

// subscribe takes the statuses of one call. An entry without a status changes the groups alone.
func (p *profile) subscribe(entries []any) {
	for _, v := range entries {
		entry := object(v)
		channel, key, status := text(entry["type"]), text(entry["key"]), text(entry["status"])
		if channel == "" || key == "" {
			continue
		}
		s := p.subscription(channel, key)
		if status != "" {
			s.Status = status
		}
		groups, _ := entry["groups"].([]any)
		for _, v := range groups {
			if name := text(object(v)["name"]); name != "" {
				if s.Groups == nil {
					s.Groups = make(map[string]string)
				}
				s.Groups[name] = text(object(v)["status"])
			}
		}
	}
}

func (p *profile) subscription(channel, key string) *Subscription {
	i := slices.IndexFunc(p.subscriptions, func(s Subscription) bool { return s.Channel == channel && s.Key == key })
	if i < 0 {
		i = len(p.subscriptions)
		p.subscriptions = append(p.subscriptions, Subscription{Channel: channel, Key: key})
	}
	return &p.subscriptions[i]
}

// absorb takes over what another profile has, now that both are known to be one person. Where both know something, p's wins.
func (p *profile) absorb(o *profile) {
	p.born = min(p.born, o.born)
	p.userID = cmp.Or(p.userID, o.userID)
	p.anonymousIDs = union(p.anonymousIDs, o.anonymousIDs)
	p.externalIDs = union(p.externalIDs, o.externalIDs)
	p.groups = union(p.groups, o.groups)
	p.events = append(p.events, o.events...)
	slices.SortFunc(p.events, func(a, b *event) int { return cmp.Compare(a.order, b.order) })
	merged := maps.Clone(o.traits)
	setTraits(&merged, p.traits)
	p.traits = merged
	for _, s := range o.subscriptions {
		if mine := p.subscription(s.Channel, s.Key); mine.Status == "" {
			*mine = s
		}
	}
	if p.consent == nil {
		p.consent = o.consent
	}
}

func union[T comparable](a, b []T) []T {
	for _, v := range b {
		if !slices.Contains(a, v) {
			a = append(a, v)
		}
	}
	return a
}
