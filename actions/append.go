package actions

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/jsonenc"
	"github.com/segmentprofiles/segmentprofiles-go/internal/messageid"
)

// AppendOptions say how Append writes. The zero value is the fastest.
type AppendOptions struct {
	// Sorted writes the members of traits and properties, at every level, in the order of their names, so that equal actions
	// give equal bytes (but for a generated messageId). Without it their order is any. All else is always in order.
	Sorted bool
	// SortedOwn is Sorted for an action that has a messageId of its own.
	SortedOwn bool
	// MessageID, unless it is empty, is the messageId of the message instead of the action's own.
	MessageID string
	// Stamp, unless it is the zero time, is the timestamp of a message that has none, to the microsecond. It is written last in the message, so
	// that the bytes before it tell whether two messages are the same but for when they were made. A new messageId has that time, too.
	Stamp time.Time
}

// Encoded says what Append wrote. Its offsets count bytes from the start of the message.
type Encoded struct {
	Kind Kind
	// IDStart and IDEnd bound the text of the messageId, without its quotes, as it is written in JSON: an id that holds a
	// quote, a backslash or a control character is escaped.
	IDStart, IDEnd int
	// GeneratedID tells that the action had no messageId and the message got a new one: 36 bytes that need no escape.
	GeneratedID bool
	// StampStart is where the member with AppendOptions.Stamp starts, its comma included. It is 0 where there is none.
	StampStart int
	// Profile is the id of the profile that the message is about: the userId, else the anonymousId, else the first external id.
	Profile string
}

// Append validates a, appends its message to dst and returns the longer slice: one JSON object of at most MaxMessageBytes.
// The error is an *Error with every problem; dst then comes back with the length it had.
//
// Where dst has room and a is valid and holds what JSON decodes to, times and Go's own number types, Append does not allocate
// as long as no object that is written in order has more than 24 members. It keeps nothing of a and may be called from any
// number of goroutines.
func Append(dst []byte, a Action, o AppendOptions) ([]byte, Encoded, error) {
	var w wire
	if !w.fill(a) {
		return dst, Encoded{}, newError(0, []FieldError{unknownAction})
	}
	if o.MessageID != "" {
		w.messageID = o.MessageID
	}
	stamp := w.timestamp.IsZero() && !o.Stamp.IsZero()
	if !w.valid() || stamp && !inRange(o.Stamp) {
		return dst, Encoded{}, w.reject(a, o)
	}
	start := len(dst)
	out, enc, err := w.append(dst, o)
	if err != nil || len(out)-start > MaxMessageBytes {
		return out[:start], Encoded{}, w.reject(a, o)
	}
	return out, enc, nil
}

func build(a Action) (Message, error) {
	text, enc, err := Append(make([]byte, 0, 512), a, AppendOptions{Sorted: true})
	if err != nil {
		return Message{}, err
	}
	id := MessageID(a)
	if enc.GeneratedID {
		id = string(text[enc.IDStart:enc.IDEnd])
	}
	return Message{Kind: enc.Kind, ID: id, Profile: enc.Profile, JSON: slices.Clip(text)}, nil
}

// append appends the message, its members in the order of their names. It trusts that w is valid. The error is jsonenc's.
func (w *wire) append(dst []byte, o AppendOptions) ([]byte, Encoded, error) {
	enc := Encoded{Kind: w.kind, Profile: w.profile()}
	values := jsonenc.Options{Sorted: o.Sorted || o.SortedOwn && w.messageID != "", Max: MaxMessageBytes}
	start := len(dst)
	var err error

	dst = append(dst, '{')
	dst = appendText(dst, `"anonymousId":`, w.anonymousID)
	if dst, err = w.appendContext(dst, values); err != nil {
		return dst, enc, err
	}
	dst = appendText(dst, `"event":`, w.event)
	if w.kind != KindTrack {
		dst = appendText(dst, `"groupId":`, w.groupID)
	}
	// Keeps the space's other destinations from receiving the call: there is no way around this line.
	dst = append(dst, `"integrations":{"All":false},"messageId":`...)
	enc.GeneratedID = w.messageID == ""
	enc.IDStart = len(dst) - start + len(`"`)
	switch {
	case enc.GeneratedID && !o.Stamp.IsZero():
		dst = append(messageid.AppendAt(append(dst, '"'), o.Stamp), '"')
	case enc.GeneratedID:
		dst = append(messageid.Append(append(dst, '"')), '"')
	default:
		dst = jsonenc.AppendString(dst, w.messageID)
	}
	enc.IDEnd = len(dst) - start - len(`"`)
	dst = append(dst, ',')
	if w.kind == KindTrack {
		if dst, err = appendMembers(dst, `"properties":`, w.members, values); err != nil {
			return dst, enc, err
		}
	}
	if !w.timestamp.IsZero() {
		dst = append(appendTime(dst, w.timestamp), ',')
	}
	if w.kind != KindTrack {
		if dst, err = appendMembers(dst, `"traits":`, w.members, values); err != nil {
			return dst, enc, err
		}
	}
	dst = append(dst, `"type":"`...)
	dst = append(dst, w.kind.Type()...)
	dst = append(dst, `",`...)
	dst = appendText(dst, `"userId":`, w.userID)
	dst = dst[:len(dst)-1]
	if w.timestamp.IsZero() && !o.Stamp.IsZero() {
		enc.StampStart = len(dst) - start
		dst = appendStamp(append(dst, ','), o.Stamp)
	}
	return append(dst, '}'), enc, nil
}

// appendContext appends the member context and a comma.
func (w *wire) appendContext(dst []byte, values jsonenc.Options) ([]byte, error) {
	dst = append(dst, `"context":{"consent":`...)
	dst, err := w.consent.append(dst, values)
	if err != nil {
		return dst, err
	}
	switch w.kind {
	case KindTrack:
		if w.groupID != "" {
			dst = append(dst, `,"groupId":`...)
			dst = jsonenc.AppendString(dst, w.groupID)
		}
	case KindSubscriptions:
		dst = w.appendExternalIDs(append(dst, ',')) // one is there, or w were not valid
		dst = w.appendSubscriptions(append(dst, ','))
		dst = append(dst, `,"messaging_subscriptions_retl":true`...)
	}
	return append(dst, `},`...), nil
}

func (w *wire) appendExternalIDs(dst []byte) []byte {
	dst = append(dst, `"externalIds":[`...)
	for i, value := range w.contacts {
		if value == "" {
			continue
		}
		dst = append(dst, `{"collection":"users","encoding":"none","id":`...)
		dst = jsonenc.AppendString(dst, value)
		dst = append(dst, `,"type":"`...)
		dst = append(dst, contacts[i].externalID...)
		dst = append(dst, `"},`...)
	}
	return closeArray(dst)
}

func (w *wire) appendSubscriptions(dst []byte) []byte {
	dst = append(dst, `"messaging_subscriptions":[`...)
	for i, status := range w.statuses {
		if status == 0 || !status.known() {
			continue
		}
		dst = append(dst, '{')
		if i == channelEmail {
			dst = appendGroups(dst, w.groups)
		}
		dst = append(dst, `"key":`...)
		dst = jsonenc.AppendString(dst, w.contacts[channels[i].contact])
		dst = append(dst, `,"status":"`...)
		dst = append(dst, statusWords[status]...)
		dst = append(dst, `","type":"`...)
		dst = append(dst, channels[i].name...)
		dst = append(dst, `"},`...)
	}
	return closeArray(dst)
}

// appendGroups appends the groups that have a status as the member groups and a comma, or nothing if there are none.
func appendGroups(dst []byte, groups map[string]SubscriptionStatus) []byte {
	var room [24]string
	start := len(dst)
	dst = append(dst, `"groups":[`...)
	empty := len(dst)
	for _, name := range sortedNames(room[:0], groups) {
		status := groups[name]
		if status == 0 || !status.known() {
			continue
		}
		dst = append(dst, `{"name":`...)
		dst = jsonenc.AppendString(dst, name)
		dst = append(dst, `,"status":"`...)
		dst = append(dst, statusWords[status]...)
		dst = append(dst, `"},`...)
	}
	if len(dst) == empty {
		return dst[:start]
	}
	return append(closeArray(dst), ',')
}

// closeArray ends an array, in place of the comma behind its last item.
func closeArray(dst []byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = ']'
		return dst
	}
	return append(dst, ']')
}

// appendText appends a member, whose name comes quoted and with its colon, and a comma; nothing if the value is empty.
func appendText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, name...)
	return append(jsonenc.AppendString(dst, value), ',')
}

// appendMembers appends the member traits or properties, {} if it is empty, and a comma.
func appendMembers(dst []byte, name string, members map[string]any, values jsonenc.Options) ([]byte, error) {
	dst = append(dst, name...)
	if len(members) == 0 {
		return append(dst, `{},`...), nil
	}
	dst, err := jsonenc.Append(dst, members, values)
	return append(dst, ','), err
}

// appendTime appends the member timestamp, in UTC.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, `"timestamp":"`...)
	return append(t.UTC().AppendFormat(dst, time.RFC3339Nano), '"')
}

// appendStamp appends the member timestamp, in UTC and always of the same length, to the microsecond: a message is not valid at one time and
// too large at another.
func appendStamp(dst []byte, t time.Time) []byte {
	const form = `0000-00-00T00:00:00.000000Z"`
	seconds := t.Unix() // not negative, see inRange
	year, month, day := civil(int(seconds / (24 * 3600)))
	second := int(seconds % (24 * 3600))
	dst = append(append(dst, `"timestamp":"`...), form...)
	text := (*[len(form)]byte)(dst[len(dst)-len(form):])
	micros := t.Nanosecond() / 1000
	text[0], text[1] = twoDigits(year / 100)
	text[2], text[3] = twoDigits(year % 100)
	text[5], text[6] = twoDigits(month)
	text[8], text[9] = twoDigits(day)
	text[11], text[12] = twoDigits(second / 3600)
	text[14], text[15] = twoDigits(second / 60 % 60)
	text[17], text[18] = twoDigits(second % 60)
	text[20], text[21] = twoDigits(micros / 10_000)
	text[22], text[23] = twoDigits(micros / 100 % 100)
	text[24], text[25] = twoDigits(micros % 100)
	return dst
}

// civil returns the date of a day counted from 1970-01-01, by counting in eras of 400 years that begin in March, so that the leap day is the
// last of a year. It is several times as fast as Time.Date, which every typed message would pay for.
func civil(days int) (year, month, day int) {
	const era = 146_097 // days
	days += 719_468     // from 0000-03-01
	rest := days % era
	y := (rest - rest/1460 + rest/36_524 - rest/(era-1)) / 365
	rest -= 365*y + y/4 - y/100
	m := (5*rest + 2) / 153 // March is 0
	year, month, day = days/era*400+y, m+3, rest-(153*m+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// twoDigits returns the digits of a number below 100.
func twoDigits(n int) (byte, byte) {
	pair := &digitPairs[uint(n)%100]
	return pair[0], pair[1]
}

// digitPairs are the two digits of each number below 100.
var digitPairs = func() (pairs [100][2]byte) {
	for i := range pairs {
		pairs[i] = [2]byte{byte('0' + i/10), byte('0' + i%10)}
	}
	return pairs
}()

// unencodable returns jsonenc's error as the problem of a field.
func unencodable(name string, err error) FieldError {
	p := problem(name, RuleUnencodable)
	p.Reason = "cannot be written"
	var e *jsonenc.Error
	if errors.As(err, &e) {
		p.Path, p.Reason = e.Path, e.Reason
	}
	return p
}

// withinMember returns jsonenc's error with the member's name before its path.
func withinMember(err error, name string) error {
	var e *jsonenc.Error
	if !errors.As(err, &e) {
		return err
	}
	return &jsonenc.Error{Path: pointer(name) + e.Path, Reason: e.Reason, TooLarge: e.TooLarge}
}

// pointer returns a member's name as a token of a JSON pointer.
func pointer(name string) string { return "/" + pointerEscapes.Replace(name) }

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")
