package presets

import (
	"encoding/json"
	"errors"
	"io"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

const hubSpot = "HubSpot"

// ReadHubSpot yields the objects in answers of HubSpot's CRM API as maps from column to value: those of the list, search and batch read
// endpoints, {"results": [...], "paging": ...}, any number of pages one after another, with or without line ends between them. It also takes
// arrays of objects and objects one after another. HubSpot's CSV exports are not for it.
//
// The columns of an object are its properties, and beside them id (text), createdAt, updatedAt, archived, archivedAt and associations, as far
// as it has them. They go before properties of the same names. Nothing else of an object is kept, propertiesWithHistory neither. Values are
// what HubSpot gives, which is text for all properties, but for the empty text, which becomes null: HubSpot has null for what was never
// set and "" for what was cleared, and means the same. Numbers are json.Number. Two members of one name: the last one counts.
//
// An element that is not an object, has no id or no properties object is a *profiles.BadRecord, which names its place and nothing of what it
// holds, and the rest go on; so is each of the errors that a batch read lists beside its results. What ends the range is yielded
// last: a *FormatError for what is no such answer or no JSON, nothing at all included; an *APIError for HubSpot's own errors; an
// *IncompleteError where the last page has a next one; or r's error, wrapped.
//
// It holds one element at a time, and what a page has beside its elements; it reads ahead in r by a few kilobytes. The range can
// be had once, and yields retl.ErrSpent then; nothing closes r. The maps are the caller's.
func ReadHubSpot(r io.Reader) iter.Seq2[profiles.Record, error] {
	return retl.Once(hubSpotFormat.read(r))
}

var hubSpotFormat = &format{
	service: hubSpot,
	list:    "results",
	record:  hubSpotRecord,
	lone: func(object map[string]any) bool {
		_, has := object["properties"]
		return has && object["id"] != nil
	},
	next: func(page map[string]any) (string, bool) {
		paging, _ := page["paging"].(map[string]any)
		next, more := paging["next"].(map[string]any)
		return text(next["after"]), more
	},
	failure: func(object map[string]any) *APIError {
		if object["status"] != "error" && (object["category"] == nil || object["message"] == nil) {
			return nil
		}
		return &APIError{
			Service: hubSpot, Code: capped(text(object["category"]), 100), Message: capped(text(object["message"]), 1000),
			CorrelationID: capped(text(object["correlationId"]), 100),
		}
	},
	partial: func(page map[string]any) []string {
		list, _ := page["errors"].([]any)
		reasons := make([]string, 0, len(list))
		for _, v := range list {
			object, _ := v.(map[string]any)
			reason := "an object that HubSpot could not give"
			if category := text(object["category"]); category != "" {
				reason += ": " + capped(category, 100)
			}
			reasons = append(reasons, reason)
		}
		return reasons
	},
}

// hubSpotEnvelope is what is kept of an object beside its properties and its id.
var hubSpotEnvelope = [...]string{"createdAt", "updatedAt", "archived", "archivedAt", "associations"}

func hubSpotRecord(element map[string]any) (profiles.Record, error) {
	id := text(element["id"])
	if id == "" {
		return nil, errors.New("it has no id")
	}
	properties, ok := element["properties"].(map[string]any)
	if !ok {
		return nil, errors.New("it has no properties object")
	}
	rec := profiles.Record(properties) // it is nobody else's
	for name, v := range rec {
		if v == "" {
			rec[name] = nil
		}
	}
	for _, name := range hubSpotEnvelope {
		if v, has := element[name]; has {
			rec[name] = v
		}
	}
	rec["id"] = id
	return rec, nil
}

// text returns a text or a number's digits, "" for all else.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
