package actions

import "slices"

// A Field is one field of an action as a saved mapping names it.
type Field struct {
	Name     string    // as in a mapping: user_id
	Label    string    // for people: User ID
	Type     FieldType // what a mapped value is turned into, or refused
	Required bool      // whether the action cannot do without it, taken alone
	Nullable bool      // whether null is a value of its own: no status
	Hidden   bool      // whether Segment's form leaves it out

	// DefaultPath is the path of the @path directive that a new mapping is pre-filled with; empty: none. It does not apply to
	// a saved mapping that leaves the field out.
	DefaultPath string
}

// FieldType is the type of a field's value. Its text is the type's name.
type FieldType string

// The types of fields.
const (
	FieldString   FieldType = "string"
	FieldObject   FieldType = "object"
	FieldDatetime FieldType = "datetime"
)

// The fields' names, which a mapping, a FieldError and the actions' JSON tags share.
const (
	fieldSpace             = "engage_space"
	fieldUserID            = "user_id"
	fieldAnonymousID       = "anonymous_id"
	fieldGroupID           = "group_id"
	fieldTraits            = "traits"
	fieldProperties        = "properties"
	fieldEvent             = "event_name"
	fieldTimestamp         = "timestamp"
	fieldMessageID         = "message_id"
	fieldConsent           = "consent"
	fieldEmail             = "email"
	fieldPhone             = "phone"
	fieldAndroidPushToken  = "android_push_token"
	fieldIOSPushToken      = "ios_push_token"
	fieldEmailStatus       = "email_subscription_status"
	fieldSMSStatus         = "sms_subscription_status"
	fieldWhatsAppStatus    = "whatsapp_subscription_status"
	fieldAndroidPushStatus = "android_push_subscription_status"
	fieldIOSPushStatus     = "ios_push_subscription_status"
	fieldEmailGroups       = "subscription_groups"

	// Two names that no mapping has, for errors that are about no single field.
	fieldMessage = "message"
	fieldAction  = "action"
)

// allFields lists every field once, in the order in which errors name them.
var allFields = [...]Field{
	{Name: fieldSpace, Label: "Profile Space", Type: FieldString, Required: true},
	{Name: fieldUserID, Label: "User ID", Type: FieldString},
	{Name: fieldAnonymousID, Label: "Anonymous ID", Type: FieldString},
	{Name: fieldGroupID, Label: "Group ID", Type: FieldString},
	{Name: fieldTraits, Label: "Traits", Type: FieldObject},
	{Name: fieldProperties, Label: "Properties", Type: FieldObject},
	{Name: fieldEvent, Label: "Event Name", Type: FieldString, Required: true},
	{Name: fieldTimestamp, Label: "Timestamp", Type: FieldDatetime, DefaultPath: "$.timestamp"},
	{Name: fieldMessageID, Label: "MessageId", Type: FieldString, Hidden: true, DefaultPath: "$.messageId"},
	{Name: fieldConsent, Label: "Consent", Type: FieldObject, Hidden: true, DefaultPath: "$.context.consent"},
	{Name: fieldEmail, Label: "Email", Type: FieldString},
	{Name: fieldPhone, Label: "Phone", Type: FieldString},
	{Name: fieldAndroidPushToken, Label: "Android Push Token", Type: FieldString},
	{Name: fieldIOSPushToken, Label: "Ios Push Token", Type: FieldString},
	{Name: fieldEmailStatus, Label: "Email Subscription Status", Type: FieldString, Nullable: true},
	{Name: fieldSMSStatus, Label: "SMS Subscription Status", Type: FieldString, Nullable: true},
	{Name: fieldWhatsAppStatus, Label: "WhatsApp Subscription Status", Type: FieldString, Nullable: true},
	{Name: fieldAndroidPushStatus, Label: "Android Push Subscription Status", Type: FieldString, Nullable: true},
	{Name: fieldIOSPushStatus, Label: "Ios Push Subscription Status", Type: FieldString, Nullable: true},
	{Name: fieldEmailGroups, Label: "Email Subscription Groups", Type: FieldObject},
}

// Fields lists the fields of an action, the Profile Space first, in the order in which errors name them. The slice is the
// caller's. For what is no action it is nil.
func Fields(kind Kind) []Field {
	if !kind.known() {
		return nil
	}
	var fields []Field
	for _, f := range allFields {
		if !kind.has(f.Name) {
			continue
		}
		if f.Name == fieldGroupID {
			f.Required = kind == KindGroup
		}
		fields = append(fields, f)
	}
	return fields
}

// has tells whether the action has the field.
func (k Kind) has(name string) bool {
	switch name {
	case fieldSpace, fieldUserID, fieldAnonymousID, fieldTimestamp, fieldMessageID, fieldConsent:
		return true
	case fieldGroupID:
		return k != KindSubscriptions
	case fieldTraits:
		return k != KindTrack
	case fieldProperties, fieldEvent:
		return k == KindTrack
	}
	return k == KindSubscriptions
}

// fieldNamed returns the field of that name, or one that has the name alone, and its place among all.
func fieldNamed(name string) (Field, int) {
	at := slices.IndexFunc(allFields[:], func(f Field) bool { return f.Name == name })
	if at < 0 {
		return Field{Name: name, Label: name}, len(allFields)
	}
	return allFields[at], at
}
