package actions

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
)

// Parse is Build's inverse: it reads a message in its wire form, such as one from a dead-letter file, and returns the action that it
// comes from, by value. Numbers among traits and properties are json.Number, with all their digits. A message that Append has made,
// parsed and encoded with the same options, is the same again. Parse is strict: a message with other members than those of its action, or without
// integrations.All=false, is none of this package's. Whether the action keeps the rules, Build and Append say.
//
// The error is an *Error with RuleMessageForm.
func Parse(message []byte) (Action, error) {
	if len(message) > MaxMessageBytes {
		return nil, newError(0, []FieldError{messageTooLarge})
	}
	d := json.NewDecoder(bytes.NewReader(message))
	d.UseNumber()
	d.DisallowUnknownFields()
	var m parsed
	if d.Decode(&m) != nil { // the decoder's error may hold a value
		return nil, notAMessage("it is not the JSON of one")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, notAMessage("something follows its object")
	}
	if all, ok := m.Integrations["All"]; !ok || all || len(m.Integrations) > 1 {
		return nil, notAMessage("its integrations are not All: false alone")
	}
	a, reason := m.action()
	if reason != "" {
		return nil, notAMessage(reason)
	}
	return a, nil
}

// notAMessage is the error of a message that has not the form of one.
func notAMessage(reason string) *Error {
	return &Error{Fields: []FieldError{{Field: fieldMessage, Label: "Message", Rule: RuleMessageForm, Reason: reason}}}
}

// parsed is what any message may hold.
type parsed struct {
	AnonymousID  string          `json:"anonymousId"`
	Context      parsedContext   `json:"context"`
	Event        *string         `json:"event"`
	GroupID      *string         `json:"groupId"`
	Integrations map[string]bool `json:"integrations"`
	MessageID    string          `json:"messageId"`
	Properties   *Properties     `json:"properties"`
	Timestamp    string          `json:"timestamp"`
	Traits       *Traits         `json:"traits"`
	Type         string          `json:"type"`
	UserID       string          `json:"userId"`
}

type parsedContext struct {
	Consent       Consent              `json:"consent"`
	GroupID       *string              `json:"groupId"`
	ExternalIDs   []parsedExternalID   `json:"externalIds"`
	Subscriptions []parsedSubscription `json:"messaging_subscriptions"`
	RETL          bool                 `json:"messaging_subscriptions_retl"`
}

type parsedExternalID struct {
	Collection string `json:"collection"`
	Encoding   string `json:"encoding"`
	ID         string `json:"id"`
	Type       string `json:"type"`
}

type parsedSubscription struct {
	Groups []parsedGroup      `json:"groups"`
	Key    string             `json:"key"`
	Status SubscriptionStatus `json:"status"`
	Type   string             `json:"type"`
}

type parsedGroup struct {
	Name   string             `json:"name"`
	Status SubscriptionStatus `json:"status"`
}

// action returns the action, or why there is none.
func (m *parsed) action() (a Action, reason string) {
	w := wire{userID: m.UserID, anonymousID: m.AnonymousID, messageID: m.MessageID, consent: m.Context.Consent}
	w.members = membersOf(m.Traits)
	if m.Timestamp != "" {
		var ok bool
		if w.timestamp, ok = parseTimestamp(m.Timestamp); !ok {
			return nil, "its timestamp is none"
		}
	}
	if w.messageID == "" {
		return nil, "it has no messageId"
	}
	subscriptions := m.Context.RETL || m.Context.ExternalIDs != nil || m.Context.Subscriptions != nil
	switch {
	case m.Type == KindTrack.Type():
		if m.Traits != nil || m.GroupID != nil || subscriptions {
			return nil, "it has members that no track call has"
		}
		w.members, w.event, w.groupID = membersOf(m.Properties), textOf(m.Event), textOf(m.Context.GroupID)
		return w.asTrack(), ""
	case m.Event != nil || m.Properties != nil || m.Context.GroupID != nil:
		return nil, "it has members that only a track call has"
	case m.Type == KindGroup.Type():
		if subscriptions {
			return nil, "it has members that no group call has"
		}
		w.groupID = textOf(m.GroupID)
		return w.asGroup(), ""
	case m.Type != KindIdentify.Type():
		return nil, "its type is not identify, group or track"
	case !subscriptions:
		w.groupID = textOf(m.GroupID)
		return w.asIdentify(), ""
	case m.GroupID != nil || !m.Context.RETL:
		return nil, "it is neither an identify call nor one of subscriptions"
	}
	if reason := w.subscribe(&m.Context); reason != "" {
		return nil, reason
	}
	return w.asSubscriptions(), ""
}

// membersOf returns the members that m points to, nil where there are none.
func membersOf[M ~map[string]any](m *M) map[string]any {
	if m == nil || len(*m) == 0 {
		return nil
	}
	return *m
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// subscribe sets what subscriptions have beside an identify call, or says why it cannot.
func (w *wire) subscribe(c *parsedContext) (reason string) {
	for _, id := range c.ExternalIDs {
		i := slices.IndexFunc(contacts[:], func(known struct{ field, externalID string }) bool { return known.externalID == id.Type })
		if i < 0 || id.ID == "" || w.contacts[i] != "" || id.Collection != "users" || id.Encoding != "none" {
			return "its external ids are not those of subscriptions"
		}
		w.contacts[i] = id.ID
	}
	for _, s := range c.Subscriptions {
		i := 0
		for i < len(channels) && channels[i].name != s.Type {
			i++
		}
		if i == len(channels) || s.Status == 0 || w.statuses[i] != 0 || s.Key != w.contacts[channels[i].contact] ||
			i != channelEmail && s.Groups != nil {
			return "its subscriptions do not belong to its external ids"
		}
		w.statuses[i] = s.Status
		for _, g := range s.Groups {
			if _, twice := w.groups[g.Name]; twice || g.Status == 0 {
				return "its subscription groups are not well formed"
			}
			if w.groups == nil {
				w.groups = make(map[string]SubscriptionStatus)
			}
			w.groups[g.Name] = g.Status
		}
	}
	return ""
}

func (w *wire) asIdentify() SendIdentify {
	return SendIdentify{
		UserID: w.userID, AnonymousID: w.anonymousID, GroupID: w.groupID, Traits: w.members,
		Timestamp: w.timestamp, MessageID: w.messageID, Consent: w.consent,
	}
}

func (w *wire) asGroup() SendGroup {
	return SendGroup{
		UserID: w.userID, AnonymousID: w.anonymousID, GroupID: w.groupID, Traits: w.members,
		Timestamp: w.timestamp, MessageID: w.messageID, Consent: w.consent,
	}
}

func (w *wire) asTrack() SendTrack {
	return SendTrack{
		UserID: w.userID, AnonymousID: w.anonymousID, GroupID: w.groupID, Event: w.event, Properties: w.members,
		Timestamp: w.timestamp, MessageID: w.messageID, Consent: w.consent,
	}
}

func (w *wire) asSubscriptions() SendSubscriptions {
	return SendSubscriptions{
		UserID: w.userID, AnonymousID: w.anonymousID, Traits: w.members,
		Timestamp: w.timestamp, MessageID: w.messageID, Consent: w.consent,
		Email: w.contacts[contactEmail], Phone: w.contacts[contactPhone],
		AndroidPushToken: w.contacts[contactAndroidPush], IOSPushToken: w.contacts[contactIOSPush],
		EmailStatus: w.statuses[channelEmail], SMSStatus: w.statuses[channelSMS], WhatsAppStatus: w.statuses[channelWhatsApp],
		AndroidPushStatus: w.statuses[channelAndroidPush], IOSPushStatus: w.statuses[channelIOSPush],
		EmailGroups: w.groups,
	}
}
