package actions

import "time"

// An Action is one call to Segment: a SendIdentify, SendGroup, SendTrack or SendSubscriptions, or a pointer to one. The
// interface is sealed: what the wire form may hold, and above all that integrations.All=false is in it, is decided here.
//
// An action holds no Profile Space: the space is chosen where the action is sent. Actions may be used from any number of
// goroutines as long as nothing writes to their maps meanwhile; nothing in this package does.
type Action interface {
	// Kind returns which action it is.
	Kind() Kind
	// Build validates the action and returns its message. See Message.
	Build() (Message, error)

	action()
}

// Traits are the traits of a person or an account. Values are what JSON can hold: nil, bool, strings, numbers of any Go type,
// json.Number, times, slices and maps of these, and anything else that encoding/json can write. Integers keep all their
// digits. A nil value is sent as null, which clears the trait.
type Traits map[string]any

// Properties are the properties of an event. Values are those of Traits.
type Properties map[string]any

// SendIdentify ties a person to their traits. UserID or AnonymousID is required; every other field may be left out.
type SendIdentify struct {
	UserID      string `json:"user_id,omitempty" validate:"required_without=AnonymousID"`
	AnonymousID string `json:"anonymous_id,omitempty"`
	// GroupID is the group or account that the person belongs to: at most 500 characters.
	GroupID string `json:"group_id,omitempty" validate:"max=500"`
	// Traits are at most 299 at the top level.
	Traits Traits `json:"traits,omitempty" validate:"max=299"`
	// Timestamp is when it happened, in the years 1970 to 9999; the zero time leaves it out. It is sent in UTC.
	Timestamp time.Time `json:"timestamp,omitzero" validate:"timestamp_range"`
	// MessageID is what Segment knows repeats by: at most 99 characters. Defaults to a new UUIDv7.
	MessageID string  `json:"message_id,omitempty" validate:"max=99"`
	Consent   Consent `json:"consent,omitzero" validate:"consent"`
}

// SendGroup ties a person to a group or account and the group to its traits. GroupID and either UserID or AnonymousID are
// required; every other field may be left out.
type SendGroup struct {
	UserID      string `json:"user_id,omitempty" validate:"required_without=AnonymousID"`
	AnonymousID string `json:"anonymous_id,omitempty"`
	// GroupID is the group or account: required, at most 500 characters.
	GroupID string `json:"group_id,omitempty" validate:"required,max=500"`
	// Traits are the group's: at most 299 at the top level.
	Traits Traits `json:"traits,omitempty" validate:"max=299"`
	// Timestamp is when it happened, in the years 1970 to 9999; the zero time leaves it out. It is sent in UTC.
	Timestamp time.Time `json:"timestamp,omitzero" validate:"timestamp_range"`
	// MessageID is what Segment knows repeats by: at most 99 characters. Defaults to a new UUIDv7.
	MessageID string  `json:"message_id,omitempty" validate:"max=99"`
	Consent   Consent `json:"consent,omitzero" validate:"consent"`
}

// SendTrack records something that a person did. Event and either UserID or AnonymousID are required; every other field may
// be left out.
type SendTrack struct {
	UserID      string `json:"user_id,omitempty" validate:"required_without=AnonymousID"`
	AnonymousID string `json:"anonymous_id,omitempty"`
	// GroupID is the group or account that the event belongs to, sent as context.groupId: at most 500 characters.
	GroupID string `json:"group_id,omitempty" validate:"max=500"`
	// Properties are at most 299 at the top level.
	Properties Properties `json:"properties,omitempty" validate:"max=299"`
	// Event is the event's name. It is required.
	Event string `json:"event_name,omitempty" validate:"required"`
	// Timestamp is when it happened, in the years 1970 to 9999; the zero time leaves it out. It is sent in UTC.
	Timestamp time.Time `json:"timestamp,omitzero" validate:"timestamp_range"`
	// MessageID is what Segment knows repeats by: at most 99 characters. Defaults to a new UUIDv7.
	MessageID string  `json:"message_id,omitempty" validate:"max=99"`
	Consent   Consent `json:"consent,omitzero" validate:"consent"`
}

// SendSubscriptions records what a person has subscribed to. At least one contact value (Email, Phone, AndroidPushToken,
// IOSPushToken) and at least one status are required, and each status needs the contact value that it is about. Neither
// UserID nor AnonymousID is: each contact value is sent as an external id, whether or not it has a status.
type SendSubscriptions struct {
	UserID      string `json:"user_id,omitempty"`
	AnonymousID string `json:"anonymous_id,omitempty"`
	// Traits are at most 299 at the top level.
	Traits Traits `json:"traits,omitempty" validate:"max=299"`
	// Timestamp is when it happened, in the years 1970 to 9999; the zero time leaves it out. It is sent in UTC.
	Timestamp time.Time `json:"timestamp,omitzero" validate:"timestamp_range"`
	// MessageID is what Segment knows repeats by: at most 99 characters. Defaults to a new UUIDv7.
	MessageID string  `json:"message_id,omitempty" validate:"max=99"`
	Consent   Consent `json:"consent,omitzero" validate:"consent"`

	Email            string `json:"email,omitempty"`
	Phone            string `json:"phone,omitempty"`
	AndroidPushToken string `json:"android_push_token,omitempty"`
	IOSPushToken     string `json:"ios_push_token,omitempty"`

	// EmailStatus needs Email.
	EmailStatus SubscriptionStatus `json:"email_subscription_status,omitzero" validate:"unknown_status"`
	// SMSStatus needs Phone.
	SMSStatus SubscriptionStatus `json:"sms_subscription_status,omitzero" validate:"unknown_status"`
	// WhatsAppStatus needs Phone.
	WhatsAppStatus SubscriptionStatus `json:"whatsapp_subscription_status,omitzero" validate:"unknown_status"`
	// AndroidPushStatus needs AndroidPushToken.
	AndroidPushStatus SubscriptionStatus `json:"android_push_subscription_status,omitzero" validate:"unknown_status"`
	// IOSPushStatus needs IOSPushToken.
	IOSPushStatus SubscriptionStatus `json:"ios_push_subscription_status,omitzero" validate:"unknown_status"`

	// EmailGroups are the statuses in groups of the email channel, by the groups' names. They need EmailStatus. A group without
	// a status is left out. They are sent in the order of their names.
	EmailGroups map[string]SubscriptionStatus `json:"subscription_groups,omitempty" validate:"dive,unknown_status"`
}

// A Message is an action as Segment takes it.
type Message struct {
	// Kind is the action that the message comes from.
	Kind Kind
	// ID is its messageId, the action's own or a new one.
	ID string
	// Profile is the id of the profile that it is about: the userId, else the anonymousId, else the first external id.
	Profile string
	// JSON is the message: one object of at most MaxMessageBytes, members sorted by name. The slice is the caller's.
	JSON []byte
}

// Kind returns KindIdentify.
func (SendIdentify) Kind() Kind { return KindIdentify }

// Kind returns KindGroup.
func (SendGroup) Kind() Kind { return KindGroup }

// Kind returns KindTrack.
func (SendTrack) Kind() Kind { return KindTrack }

// Kind returns KindSubscriptions.
func (SendSubscriptions) Kind() Kind { return KindSubscriptions }

// Build validates the action and returns its message. The error is an *Error with every problem.
func (a SendIdentify) Build() (Message, error) { return build(a) }

// Build validates the action and returns its message. The error is an *Error with every problem.
func (a SendGroup) Build() (Message, error) { return build(a) }

// Build validates the action and returns its message. The error is an *Error with every problem.
func (a SendTrack) Build() (Message, error) { return build(a) }

// Build validates the action and returns its message. The error is an *Error with every problem.
func (a SendSubscriptions) Build() (Message, error) { return build(a) }

func (SendIdentify) action()      {}
func (SendGroup) action()         {}
func (SendTrack) action()         {}
func (SendSubscriptions) action() {}

// MessageID returns the messageId that a was given; empty: none.
func MessageID(a Action) string {
	switch x := a.(type) {
	case SendIdentify:
		return x.MessageID
	case SendGroup:
		return x.MessageID
	case SendTrack:
		return x.MessageID
	case SendSubscriptions:
		return x.MessageID
	}
	var w wire
	w.fill(a)
	return w.messageID
}

// WithMessageID returns a copy of a that has the messageId id. The copy shares a's maps. A nil action is returned as it is.
func WithMessageID(a Action, id string) Action {
	switch x := a.(type) {
	case SendIdentify:
		x.MessageID = id
		return x
	case SendGroup:
		x.MessageID = id
		return x
	case SendTrack:
		x.MessageID = id
		return x
	case SendSubscriptions:
		x.MessageID = id
		return x
	case *SendIdentify:
		if x != nil {
			return WithMessageID(*x, id)
		}
	case *SendGroup:
		if x != nil {
			return WithMessageID(*x, id)
		}
	case *SendTrack:
		if x != nil {
			return WithMessageID(*x, id)
		}
	case *SendSubscriptions:
		if x != nil {
			return WithMessageID(*x, id)
		}
	}
	return a
}
