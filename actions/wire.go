package actions

import "time"

// wire is what all four actions come down to before they are validated and written. It lives on the stack of Append and
// shares the action's maps and strings.
type wire struct {
	kind        Kind
	userID      string
	anonymousID string
	groupID     string
	event       string
	messageID   string
	members     map[string]any // traits, of a track its properties
	timestamp   time.Time
	consent     Consent

	contacts [len(contacts)]string
	statuses [len(channels)]SubscriptionStatus
	groups   map[string]SubscriptionStatus
}

// contacts are the values that subscriptions are about, in the order in which Segment wants their external ids.
var contacts = [...]struct{ field, externalID string }{
	contactEmail:       {fieldEmail, "email"},
	contactPhone:       {fieldPhone, "phone"},
	contactAndroidPush: {fieldAndroidPushToken, "android.push_token"},
	contactIOSPush:     {fieldIOSPushToken, "ios.push_token"},
}

const (
	contactEmail = iota
	contactPhone
	contactAndroidPush
	contactIOSPush
)

// channels are what a status is for, in the order in which Segment wants them, each with the contact value that it needs.
var channels = [...]struct {
	field   string
	name    string // on the wire
	contact int
}{
	channelEmail:       {fieldEmailStatus, "EMAIL", contactEmail},
	channelSMS:         {fieldSMSStatus, "SMS", contactPhone},
	channelWhatsApp:    {fieldWhatsAppStatus, "WHATSAPP", contactPhone},
	channelAndroidPush: {fieldAndroidPushStatus, "ANDROID_PUSH", contactAndroidPush},
	channelIOSPush:     {fieldIOSPushStatus, "IOS_PUSH", contactIOSPush},
}

const (
	channelEmail = iota
	channelSMS
	channelWhatsApp
	channelAndroidPush
	channelIOSPush
)

// fill sets w to the action a and tells whether a is one: it is not if it is nil, or a type that embeds an action.
func (w *wire) fill(a Action) bool {
	switch x := a.(type) {
	case SendIdentify:
		w.identify(&x)
	case SendGroup:
		w.group(&x)
	case SendTrack:
		w.track(&x)
	case SendSubscriptions:
		w.subscriptions(&x)
	case *SendIdentify:
		if x == nil {
			return false
		}
		w.identify(x)
	case *SendGroup:
		if x == nil {
			return false
		}
		w.group(x)
	case *SendTrack:
		if x == nil {
			return false
		}
		w.track(x)
	case *SendSubscriptions:
		if x == nil {
			return false
		}
		w.subscriptions(x)
	default:
		return false
	}
	return true
}

func (w *wire) identify(a *SendIdentify) {
	w.kind = KindIdentify
	w.userID, w.anonymousID, w.groupID = a.UserID, a.AnonymousID, a.GroupID
	w.members, w.timestamp, w.messageID, w.consent = a.Traits, a.Timestamp, a.MessageID, a.Consent
}

func (w *wire) group(a *SendGroup) {
	w.kind = KindGroup
	w.userID, w.anonymousID, w.groupID = a.UserID, a.AnonymousID, a.GroupID
	w.members, w.timestamp, w.messageID, w.consent = a.Traits, a.Timestamp, a.MessageID, a.Consent
}

func (w *wire) track(a *SendTrack) {
	w.kind = KindTrack
	w.userID, w.anonymousID, w.groupID, w.event = a.UserID, a.AnonymousID, a.GroupID, a.Event
	w.members, w.timestamp, w.messageID, w.consent = a.Properties, a.Timestamp, a.MessageID, a.Consent
}

func (w *wire) subscriptions(a *SendSubscriptions) {
	w.kind = KindSubscriptions
	w.userID, w.anonymousID = a.UserID, a.AnonymousID
	w.members, w.timestamp, w.messageID, w.consent = a.Traits, a.Timestamp, a.MessageID, a.Consent
	w.contacts = [...]string{
		contactEmail:       a.Email,
		contactPhone:       a.Phone,
		contactAndroidPush: a.AndroidPushToken,
		contactIOSPush:     a.IOSPushToken,
	}
	w.statuses = [...]SubscriptionStatus{
		channelEmail:       a.EmailStatus,
		channelSMS:         a.SMSStatus,
		channelWhatsApp:    a.WhatsAppStatus,
		channelAndroidPush: a.AndroidPushStatus,
		channelIOSPush:     a.IOSPushStatus,
	}
	w.groups = a.EmailGroups
}

// membersField is the name of the field that members come from.
func (w *wire) membersField() string {
	if w.kind == KindTrack {
		return fieldProperties
	}
	return fieldTraits
}

// profile returns the id of the profile that the message is about.
func (w *wire) profile() string {
	if w.userID != "" {
		return w.userID
	}
	if w.anonymousID != "" {
		return w.anonymousID
	}
	for _, value := range w.contacts {
		if value != "" {
			return value
		}
	}
	return ""
}
