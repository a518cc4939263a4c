package transporttest

import (
	"slices"

	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Space is the view of one Profile Space of a Server. What it returns is a copy of the state at that moment.
type Space struct {
	server *Server
	key    transport.WriteKey
}

// Space returns the Profile Space of a write key. One that nothing was sent to is empty.
func (s *Server) Space(key transport.WriteKey) Space { return Space{s, key} }

// Profile returns the profile that an id belongs to: a user id, else an anonymous id, else an external id of any type. Where
// there is none, the profile's ID is "".
//
// Ids that come together in one message belong to one profile: user id, anonymous id, external ids and, of an identify
// call, the trait email. Profiles that turn out to be one person are merged, the one with the user id keeping what both
// know. A profile has one user id at most: an id that belongs to one user's profile stays there when it comes with another
// user's id.
func (v Space) Profile(id string) Profile {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	if p := v.server.spaces[v.key].profile(id); p != nil {
		return p.copy()
	}
	return Profile{}
}

// Profiles returns all profiles, in the order in which they came.
func (v Space) Profiles() []Profile {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	var profiles []Profile
	for _, p := range v.server.spaces[v.key].all() {
		profiles = append(profiles, p.copy())
	}
	return profiles
}

// Group returns a group. Where there is none, its ID is "".
func (v Space) Group(id string) Group {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	if s := v.server.spaces[v.key]; s != nil && s.groups[id] != nil {
		return s.groups[id].copy(id)
	}
	return Group{}
}

// Events returns the space's events in the order of their arrival, duplicates and dropped ones included.
func (v Space) Events() []Event {
	return v.server.pick(func(e *event) bool { return e.WriteKey == v.key })
}

// Profile returns the profile that an id belongs to in the first Profile Space, by arrival, that knows it: see
// Space.Profile.
func (s *Server) Profile(id string) Profile {
	for _, key := range s.Spaces() {
		if p := s.Space(key).Profile(id); p.ID != "" {
			return p
		}
	}
	return Profile{}
}

// Group returns a group of the first Profile Space, by arrival, that knows it. Where there is none, its ID is "".
func (s *Server) Group(id string) Group {
	for _, key := range s.Spaces() {
		if g := s.Space(key).Group(id); g.ID != "" {
			return g
		}
	}
	return Group{}
}

// Spaces returns the write keys of the Profile Spaces that have been sent something that was kept, in the order in which
// they came.
func (s *Server) Spaces() []transport.WriteKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

// An identifier is one id of one kind: userId, anonymousId, or an external id's type.
type identifier struct{ kind, id string }

const (
	kindUser      = "userId"
	kindAnonymous = "anonymousId"
)

// A space is a Profile Space as the server keeps it.
type space struct {
	ids    map[identifier]*profile
	groups map[string]*group
	born   int
}

type group struct {
	traits  map[string]any
	members []*profile
}

func (g *group) copy(id string) Group {
	c := Group{ID: id, Traits: cloneMap(g.traits)}
	for _, p := range g.members {
		c.Members = append(c.Members, p.id())
	}
	return c
}

// all returns the profiles, the oldest first.
func (s *space) all() []*profile {
	if s == nil {
		return nil
	}
	unique := make(map[*profile]bool)
	for _, p := range s.ids {
		unique[p] = true
	}
	profiles := make([]*profile, 0, len(unique))
	for p := range unique {
		profiles = append(profiles, p)
	}
	slices.SortFunc(profiles, func(a, b *profile) int { return a.born - b.born })
	return profiles
}

func (s *space) profile(id string) *profile {
	if s == nil || id == "" {
		return nil
	}
	for _, kind := range []string{kindUser, kindAnonymous} {
		if p := s.ids[identifier{kind, id}]; p != nil {
			return p
		}
	}
	for _, p := range s.all() {
		for _, x := range p.externalIDs {
			if x.ID == id {
				return p
			}
		}
	}
	return nil
}

// apply takes an event into the profile that it belongs to, and into its group.
func (s *space) apply(e *event) {
	context := object(e.Message["context"])
	p := s.resolve(e, context)
	traits := object(e.Message["traits"])
	switch e.Type {
	case "identify":
		setTraits(&p.traits, traits)
		if entries, ok := context[subscriptionsMember].([]any); ok {
			p.subscribe(entries)
		}
	case "group":
		s.join(e.GroupID, p, traits)
	case "track", "page", "screen":
		p.events = append(p.events, e)
	}
	if consent := object(context["consent"]); len(consent) > 0 {
		p.consent = consent
	}
}

func (s *space) join(id string, p *profile, traits map[string]any) {
	g := s.groups[id]
	if g == nil {
		g = &group{}
		s.groups[id] = g
	}
	setTraits(&g.traits, traits)
	g.members = union(g.members, []*profile{p})
	p.groups = union(p.groups, []string{id})
}

// resolve returns the profile that the event's ids belong to, made or merged as they ask for.
func (s *space) resolve(e *event, context map[string]any) *profile {
	var ids []identifier
	if e.AnonymousID != "" {
		ids = append(ids, identifier{kindAnonymous, e.AnonymousID})
	}
	for _, x := range externalIDs(context) {
		ids = append(ids, identifier{x.Type, x.ID})
	}
	if email := text(object(e.Message["traits"])["email"]); email != "" && e.Type == "identify" {
		ids = append(ids, identifier{"email", email})
	}
	p := s.owner(e.UserID, ids)
	for _, id := range ids {
		switch known := s.ids[id]; {
		case known == nil:
			s.attach(p, id)
		case known != p && (known.userID == "" || p.userID == ""):
			s.merge(p, known)
		}
	}
	return p
}

// owner returns the profile of the user id, else the first that one of the other ids belongs to and that has no other user
// id, else a new one.
func (s *space) owner(userID string, ids []identifier) *profile {
	user := identifier{kindUser, userID}
	if p := s.ids[user]; userID != "" && p != nil {
		return p
	}
	var p *profile
	for _, id := range ids {
		if known := s.ids[id]; known != nil && (userID == "" || known.userID == "") {
			p = known
			break
		}
	}
	if p == nil {
		s.born++
		p = &profile{born: s.born}
	}
	if userID != "" {
		s.attach(p, user)
	}
	return p
}

func (s *space) attach(p *profile, id identifier) {
	switch id.kind {
	case kindUser:
		p.userID = id.id
	case kindAnonymous:
		p.anonymousIDs = append(p.anonymousIDs, id.id)
	default:
		p.externalIDs = append(p.externalIDs, ExternalID{id.kind, id.id})
	}
	s.ids[id] = p
}

// identifiers returns all ids that the profile has.
func (p *profile) identifiers() []identifier {
	var ids []identifier
	if p.userID != "" {
		ids = append(ids, identifier{kindUser, p.userID})
	}
	for _, id := range p.anonymousIDs {
		ids = append(ids, identifier{kindAnonymous, id})
	}
	for _, x := range p.externalIDs {
		ids = append(ids, identifier{x.Type, x.ID})
	}
	return ids
}

// merge makes one profile of two.
func (s *space) merge(p, other *profile) {
	p.absorb(other)
	for _, id := range other.identifiers() {
		s.ids[id] = p
	}
	for _, id := range other.groups {
		g := s.groups[id]
		if i := slices.Index(g.members, other); slices.Contains(g.members, p) {
			g.members = slices.Delete(g.members, i, i+1)
		} else {
			g.members[i] = p
		}
	}
}

// externalIDs reads context.externalIds, leaving out what is not one.
func externalIDs(context map[string]any) []ExternalID {
	list, _ := context["externalIds"].([]any)
	var ids []ExternalID
	for _, v := range list {
		x := ExternalID{Type: text(object(v)["type"]), ID: text(object(v)["id"])}
		if x.Type != "" && x.ID != "" {
			ids = append(ids, x)
		}
	}
	return ids
}
