package actions

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

var actionTypes = []Action{SendIdentify{}, SendGroup{}, SendTrack{}, SendSubscriptions{}}

// TestTagsAreValid runs validator over every type: a wrong tag panics when its type is first seen.
func TestTagsAreValid(t *testing.T) {
	for _, a := range actionTypes {
		if rules().Struct(a) == nil {
			t.Errorf("the zero %v is valid", a.Kind())
		}
	}
}

// TestTagsRepeatTheLimits holds the numbers in the tags to the constants, and each field's name to the table of fields.
func TestTagsRepeatTheLimits(t *testing.T) {
	limits := map[string]int{
		fieldTraits: MaxTraits, fieldProperties: MaxTraits, fieldMessageID: MaxMessageIDLen, fieldGroupID: MaxGroupIDLen,
	}
	for _, a := range actionTypes {
		typ := reflect.TypeOf(a)
		seen := -1
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			_, place := fieldNamed(name)
			if place <= seen || !a.Kind().has(name) {
				t.Errorf("%v.%s: %q is not the next field", typ, f.Name, name)
			}
			seen = place
			tag := f.Tag.Get("validate")
			limit, limited := limits[name]
			if limited != strings.Contains(tag, "max=") || limited && !strings.HasSuffix(tag, "max="+strconv.Itoa(limit)) {
				t.Errorf("%v.%s: tag %q, limit %d", typ, f.Name, tag, limit)
			}
		}
	}
}

// FuzzValid holds the check of the hot path to validator's verdict, and every one of validator's errors to a rule.
func FuzzValid(f *testing.F) {
	f.Add(uint8(0), "u", "", "g", "", "m", int64(0), uint16(1), uint8(1), "", "", "", "", uint64(0), uint8(0))
	f.Add(uint8(1), "", "", "", "", strings.Repeat("é", 100), int64(-1), uint16(300), uint8(2), "", "", "", "", uint64(0), uint8(0))
	f.Add(uint8(2), "", "a", strings.Repeat("g", 501), "E", "", int64(1<<40), uint16(299), uint8(3), "", "", "", "", uint64(0), uint8(0))
	f.Add(uint8(3), "", "", "", "", "", int64(5), uint16(0), uint8(0), "e", "", "", "", uint64(1), uint8(0))
	f.Add(uint8(3), "", "", "", "", "", int64(5), uint16(0), uint8(0), "e", "p", "a", "i", uint64(0x0302010203), uint8(0b10))
	f.Add(uint8(3), "", "", "", "", "", int64(5), uint16(0), uint8(0), "", "p", "", "", uint64(0x0400), uint8(0b1011))
	f.Fuzz(func(t *testing.T, kind uint8, user, anonymous, group, event, id string, seconds int64, members uint16, consent uint8,
		email, phone, android, ios string, statuses uint64, groups uint8,
	) {
		traits := make(map[string]any, members%400)
		for i := range members % 400 {
			traits[fmt.Sprint(i)] = nil
		}
		var at time.Time
		if seconds != 0 {
			at = time.Unix(seconds%(1<<39), 0)
		}
		status := func(channel int) SubscriptionStatus { return SubscriptionStatus(statuses >> (8 * channel)) }
		var a Action
		switch kind % 4 {
		case 0:
			a = SendIdentify{user, anonymous, group, traits, at, id, someConsent(consent)}
		case 1:
			a = SendGroup{user, anonymous, group, traits, at, id, someConsent(consent)}
		case 2:
			a = SendTrack{user, anonymous, group, traits, event, at, id, someConsent(consent)}
		case 3:
			a = SendSubscriptions{
				user, anonymous, traits, at, id, someConsent(consent), email, phone, android, ios,
				status(0), status(1), status(2), status(3), status(4), someGroups(groups),
			}
		}
		var w wire
		if !w.fill(a) {
			t.Fatalf("%T is no action", a)
		}
		err := rules().Struct(a)
		if w.valid() != (err == nil) {
			t.Fatalf("valid() is %v, validator says %v of %+v", w.valid(), err, a)
		}
		problems := w.problems(a)
		if (len(problems) == 0) != (err == nil) {
			t.Fatalf("%d problems of %v", len(problems), err)
		}
		for _, p := range problems {
			if place, n := fieldNamed(p.Field); p.Rule == 0 || n == len(allFields) || place.Label != p.Label || !a.Kind().has(p.Field) {
				t.Errorf("%+v from %v", p, err)
			}
		}
	})
}

func someConsent(shape uint8) (c Consent) {
	if shape&1 != 0 {
		c.CategoryPreferences = map[string]bool{"a": true}
	}
	if shape&2 != 0 {
		c.Extra = map[string]any{"v": 1}
	}
	if shape&4 != 0 {
		c.Extra = map[string]any{categoryPreferences: 1}
	}
	return c
}

func someGroups(bits uint8) map[string]SubscriptionStatus {
	groups := map[string]SubscriptionStatus{}
	if bits&1 != 0 {
		groups["blank"] = 0
	}
	if bits&2 != 0 {
		groups["known"] = Unsubscribed
	}
	if bits&4 != 0 {
		groups["unknown.[x]"] = 4
	}
	if bits&8 != 0 {
		groups[strings.Repeat("long", 100)] = 200
	}
	return groups
}

// TestFillReadsEveryField sets each field of each action by itself and looks for it in the wire form: a field that fill forgot
// would be lost in silence.
func TestFillReadsEveryField(t *testing.T) {
	for _, a := range actionTypes {
		typ := reflect.TypeOf(a)
		for i := range typ.NumField() {
			v := reflect.New(typ).Elem()
			switch f := v.Field(i); f.Interface().(type) {
			case string:
				f.SetString("x")
			case time.Time:
				f.Set(reflect.ValueOf(time.Unix(0, 0)))
			case SubscriptionStatus:
				f.SetUint(uint64(Subscribed))
			case Consent:
				f.Set(reflect.ValueOf(someConsent(1)))
			default:
				f.Set(reflect.MakeMap(f.Type()))
			}
			var zero, set wire
			zero.fill(a)
			set.fill(v.Interface().(Action))
			if reflect.DeepEqual(zero, set) {
				t.Errorf("%v.%s does not reach the wire", typ, typ.Field(i).Name)
			}
		}
	}
}

// flaky fails to encode every other time.
type flaky struct{ calls *int }

func (f flaky) MarshalJSON() ([]byte, error) {
	*f.calls++
	if *f.calls%2 == 1 {
		return nil, json.Unmarshal([]byte("x"), new(any))
	}
	return []byte("1"), nil
}

func TestErrorIsNeverEmpty(t *testing.T) {
	calls := 0
	_, _, err := Append(nil, SendIdentify{UserID: "u", Traits: Traits{"f": flaky{&calls}}}, AppendOptions{})
	if err == nil || err.(*Error).Fields[0].Rule != RuleUnencodable {
		t.Errorf("%v after %d calls", err, calls)
	}
}
