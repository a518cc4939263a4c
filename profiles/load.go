package profiles

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/mapping"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// LoadDestination reads a destination from a JSON file. See ParseDestination. The error is a *DestinationError that names the
// file, or the one of reading it.
func LoadDestination(file string) (*Destination, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	d, err := ParseDestination(text)
	var problems *DestinationError
	if errors.As(err, &problems) {
		problems.File = file
	}
	return d, err
}

// ParseDestination reads a destination from JSON:
//
//	{"name": ..., "region": "north_america" | "europe", "enabled": true, "mappings": [...]}
//
// Every member but mappings may be left out; enabled defaults to true. A mapping is
//
//	{"id": ..., "name": ..., "action": "sendIdentify" | "sendGroup" | "sendTrack" | "sendSubscription",
//	 "model": ..., "trigger": ..., "enabled": true, "fields": {...}}
//
// fields are those of the action, and engage_space, the write key of the Profile Space; their values are directives and plain values, as
// package mapping describes them. Those that all actions have are
//
//	user_id, anonymous_id, traits (of sendTrack: properties), timestamp, message_id, consent
//
// and besides
//
//	sendIdentify      group_id
//	sendGroup         group_id, which is required
//	sendTrack         event_name, which is required, and group_id
//	sendSubscription  email, email_subscription_status, subscription_groups, phone, sms_subscription_status, whatsapp_subscription_status,
//	                  android_push_token, android_push_subscription_status, ios_push_token, ios_push_subscription_status
//
// actions.Fields has their types and labels.
//
// Instead of mappings there may be subscriptions, as Segment's Public API gives them: id, name, actionSlug (or actionId), modelId,
// trigger, enabled and settings, and whatever else it adds. An answer of the Public API is taken as it is: its data member holds
// subscriptions, or one subscription or destinationSubscription.
//
// Everything that is wrong is reported at once, as a *DestinationError. A mapping that is switched off is not compiled.
func ParseDestination(text []byte) (*Destination, error) {
	p := &destinationParser{text: text}
	d := p.parse()
	if len(p.problems) > 0 {
		return nil, &DestinationError{Problems: p.problems}
	}
	return d, nil
}

// A destinationParser collects what is wrong on its way.
type destinationParser struct {
	text     []byte
	problems []DestinationProblem
}

func (p *destinationParser) problem(path string, err error, format string, args ...any) {
	p.problems = append(p.problems, DestinationProblem{Line: lineOf(p.text, path), Path: path, Reason: fmt.Sprintf(format, args...), Err: err})
}

func (p *destinationParser) parse() *Destination {
	root, ok := p.decode()
	if !ok {
		return nil
	}
	d := &Destination{enabled: true, run: rand.Text()}
	if data, ok := root["data"]; ok {
		for _, own := range []string{"subscriptions", "mappings"} {
			if _, both := root[own]; both {
				p.problem("/"+own, nil, "must not be given beside data, which is an answer of the Public API")
			}
		}
		p.parseAnswer(d, data)
	} else {
		p.parseOwn(d, root)
	}
	if len(p.problems) == 0 && len(d.mappings) == 0 {
		p.problem("", nil, "has no mappings")
	}
	return d
}

// decode reads the text as one JSON object, numbers with their digits.
func (p *destinationParser) decode() (map[string]any, bool) {
	dec := json.NewDecoder(bytes.NewReader(p.text))
	dec.UseNumber()
	var root any
	err := dec.Decode(&root)
	if err == nil {
		if _, err = dec.Token(); err == io.EOF {
			err = nil
		} else {
			err = errors.New("something follows the JSON object")
		}
	}
	if err != nil {
		line := 1 + bytes.Count(p.text[:min(int(dec.InputOffset()), len(p.text))], []byte("\n"))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line = 1 + bytes.Count(p.text[:min(int(syntax.Offset), len(p.text))], []byte("\n"))
		}
		p.problems = append(p.problems, DestinationProblem{Line: line, Reason: "is not JSON: " + jsonReason(err), Err: err})
		return nil, false
	}
	object, ok := root.(map[string]any)
	if !ok {
		p.problem("", nil, "must be a JSON object")
	}
	return object, ok
}

// jsonReason says why text is not JSON, without showing any of it: encoding/json quotes the character that it trips over, which
// may be part of a key.
func jsonReason(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle of a value"
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	}
	return err.Error()
}

// parseAnswer reads an answer of the Public API.
func (p *destinationParser) parseAnswer(d *Destination, data any) {
	members, ok := data.(map[string]any)
	if !ok {
		p.problem("/data", nil, "must be an object")
		return
	}
	for _, one := range []string{"subscription", "destinationSubscription"} {
		if v, ok := members[one]; ok {
			p.parseMapping(d, v, "/data/"+one, apiForm)
			return
		}
	}
	list, ok := members["subscriptions"]
	if !ok {
		p.problem("/data", nil, "has none of subscriptions, subscription and destinationSubscription")
		return
	}
	p.parseList(d, list, "/data/subscriptions", apiForm)
}

// parseOwn reads our own form.
func (p *destinationParser) parseOwn(d *Destination, root map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(root)) {
		v, path := root[name], pointer("", name)
		switch name {
		case "name":
			d.name, _ = p.str(v, path)
		case "enabled":
			d.enabled = p.flag(v, path)
		case "region":
			if s, ok := p.str(v, path); ok {
				r, err := region.Parse(s)
				if err != nil {
					p.problem(path, err, "must be north_america or europe")
				}
				d.region = r
			}
		case "subscriptions":
			p.parseList(d, v, path, apiForm)
		case "mappings":
			if _, both := root["subscriptions"]; both {
				p.problem(path, nil, "must not be given beside subscriptions")
				continue
			}
			p.parseList(d, v, path, ownForm)
		default:
			p.problem(path, nil, "is not a member of a destination: name, region, enabled, mappings or subscriptions")
		}
	}
	if root["subscriptions"] == nil && root["mappings"] == nil {
		p.problem("", nil, "has neither mappings nor subscriptions")
	}
}

func (p *destinationParser) parseList(d *Destination, v any, path string, form mappingForm) {
	list, ok := v.([]any)
	if !ok {
		p.problem(path, nil, "must be an array")
		return
	}
	if len(list) > MaxMappings {
		p.problem(path, nil, "has %d mappings: the limit is %d", len(list), MaxMappings)
		return
	}
	for i, v := range list {
		p.parseMapping(d, v, path+"/"+strconv.Itoa(i), form)
	}
}

// A mappingForm is how the members of a mapping are called.
type mappingForm struct {
	action []string // the first that is there counts
	model  string
	fields string
	strict bool // other members are mistakes
}

var (
	ownForm = mappingForm{action: []string{"action"}, model: "model", fields: "fields", strict: true}
	apiForm = mappingForm{action: []string{"actionSlug", "actionId"}, model: "modelId", fields: "settings"}
)

// parseMapping reads one mapping and adds it to d.
func (p *destinationParser) parseMapping(d *Destination, v any, path string, form mappingForm) {
	members, ok := v.(map[string]any)
	if !ok {
		p.problem(path, nil, "must be an object")
		return
	}
	m := &Mapping{enabled: true, ordinal: len(d.mappings)}
	d.mappings = append(d.mappings, m)
	m.id = "mapping-" + strconv.Itoa(m.ordinal+1)
	if form.strict {
		known := append([]string{"id", "name", "enabled", "trigger", form.model, form.fields}, form.action...)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if !slices.Contains(known, name) {
				p.problem(pointer(path, name), nil, "is not a member of a mapping: %s", strings.Join(known, ", "))
			}
		}
	}
	if v, ok := members["id"]; ok {
		if s, ok := p.str(v, path+"/id"); ok && s != "" {
			m.id, m.named = s, true
		}
	}
	for _, other := range d.mappings[:m.ordinal] {
		if other.id == m.id {
			p.problem(path+"/id", nil, "is the id of an earlier mapping as well")
		}
	}
	if v := members["name"]; v != nil {
		m.name, _ = p.str(v, path+"/name")
	}
	if v := members[form.model]; v != nil {
		m.modelID, _ = p.str(v, pointer(path, form.model))
	}
	if v, ok := members["enabled"]; ok {
		m.enabled = p.flag(v, path+"/enabled")
	}
	p.parseAction(m, members, path, form)
	if m.enabled {
		p.compileTrigger(m, members, path)
		p.compileFields(m, members, path, form)
	}
	m.keep(members, form)
}

func (p *destinationParser) parseAction(m *Mapping, members map[string]any, path string, form mappingForm) {
	for _, name := range form.action {
		v, ok := members[name]
		if !ok {
			continue
		}
		if s, ok := p.str(v, pointer(path, name)); ok {
			if err := m.kind.UnmarshalText([]byte(s)); err != nil {
				p.problem(pointer(path, name), err, "must be one of sendIdentify, sendGroup, sendTrack, sendSubscription")
			}
		}
		return
	}
	p.problem(path, nil, "has no %s", form.action[0])
}

func (p *destinationParser) compileTrigger(m *Mapping, members map[string]any, path string) {
	v, ok := members["trigger"]
	if !ok {
		p.problem(path, nil, "has no trigger")
		return
	}
	s, ok := p.str(v, path+"/trigger")
	if !ok {
		return
	}
	var err error
	if m.trigger, err = mapping.CompileTrigger(s); err != nil {
		p.problem(path+"/trigger", err, "%s", triggerReason(err))
	}
}

// triggerReason returns a trigger's error without the word that the path says already.
func triggerReason(err error) string {
	var at *mapping.TriggerError
	if errors.As(err, &at) {
		return fmt.Sprintf("at offset %d: %s", at.Offset, at.Reason)
	}
	return err.Error()
}

func (p *destinationParser) compileFields(m *Mapping, members map[string]any, path string, form mappingForm) {
	path = pointer(path, form.fields)
	v, ok := members[form.fields]
	if !ok {
		p.problem(strings.TrimSuffix(path, "/"+form.fields), nil, "has no %s", form.fields)
		return
	}
	fields, ok := v.(map[string]any)
	if !ok {
		p.problem(path, nil, "must be an object")
		return
	}
	p.checkNames(m, fields, path, form)
	if _, m.ownFields = fields[wholeMapping]; !m.ownFields {
		fields = p.takeSpace(m, fields, path)
	} else if key, ok := fields[spaceField].(string); ok {
		m.beside = NewWriteKey(key)
	}
	var err error
	if m.fields, err = mapping.Compile(fields); err == nil {
		return
	}
	var compile *mapping.CompileError
	if !errors.As(err, &compile) {
		p.problem(path, err, "%v", err)
		return
	}
	for _, bad := range compile.Problems {
		p.problem(strings.TrimSuffix(path+bad.Path, "/"), err, "%s", bad.Reason)
	}
}

// wholeMapping is the member that makes a mapping one directive.
const wholeMapping = "__segment_internal_directive"

// spaceField is the field that names the Profile Space.
const spaceField = "engage_space"

// checkNames reports fields that the action does not have, where the form is ours. Segment drops them in silence, and so must
// what was copied from there.
func (p *destinationParser) checkNames(m *Mapping, fields map[string]any, path string, form mappingForm) {
	if !form.strict || m.kind == 0 || fields[wholeMapping] != nil {
		return
	}
	var known []string
	for _, f := range actions.Fields(m.kind) {
		known = append(known, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != spaceField && !slices.Contains(known, name) {
			p.problem(pointer(path, name), nil, "is not a field of %s", m.kind)
		}
	}
}

// takeSpace takes a Profile Space that is written out as a plain value out of the fields, so that the compiled mapping does not
// hold it in a form that could print.
func (p *destinationParser) takeSpace(m *Mapping, fields map[string]any, path string) map[string]any {
	v, ok := fields[spaceField]
	if !ok {
		return fields
	}
	m.hasSpace = true
	s, ok := v.(string)
	if !ok || s == "" {
		return fields
	}
	m.space = NewWriteKey(s)
	if err := m.space.Err(); err != nil {
		p.problem(pointer(path, spaceField), err, "%v", err)
	}
	rest := maps.Clone(fields)
	delete(rest, spaceField)
	return rest
}

// str returns a member that must be a string.
func (p *destinationParser) str(v any, path string) (string, bool) {
	s, ok := v.(string)
	if !ok {
		p.problem(path, nil, "must be a string")
	}
	return s, ok
}

// flag returns a member that must be true or false.
func (p *destinationParser) flag(v any, path string) bool {
	b, ok := v.(bool)
	if !ok {
		p.problem(path, nil, "must be true or false")
	}
	return b
}

// pointer appends a member's name to a JSON pointer.
func pointer(path, name string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
