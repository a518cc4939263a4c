package publicapitest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// handle answers a request.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	request := Request{Path: r.URL.Path, Query: r.URL.Query()}
	request.Authorized = r.Header.Get("Authorization") == "Bearer "+s.token.Reveal()
	key, isSettings := settingsKey(r)
	if isSettings {
		request.Path, request.WriteKey = "/v1/projects/{writeKey}/settings", key
	}

	s.mu.Lock()
	var step Step
	if len(s.steps) > 0 {
		step, s.steps = s.steps[0], s.steps[1:]
	}
	var status int
	var body string
	switch {
	case step.do != nil:
		status = step.status
	case isSettings:
		status, body = s.settings(key)
	default:
		status, body = s.answer(r, request.Authorized)
	}
	request.Status = status
	s.requests = append(s.requests, request)
	s.mu.Unlock()

	if step.do != nil {
		step.do(s, w, r)
		return
	}
	write(w, status, nil, body)
}

// settingsKey returns the write key of a request for a source's settings.
func settingsKey(r *http.Request) (profiles.WriteKey, bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/v1/projects/")
	if !ok {
		return profiles.WriteKey{}, false
	}
	escaped, ok := strings.CutSuffix(rest, "/settings")
	if !ok || strings.Contains(escaped, "/") {
		return profiles.WriteKey{}, false
	}
	text, err := url.PathUnescape(escaped)
	return profiles.NewWriteKey(text), err == nil
}

// settings answers as the CDN does. The mutex is held.
func (s *Server) settings(key profiles.WriteKey) (int, string) {
	for _, source := range s.sources {
		for _, own := range source.WriteKeys {
			if own == key && !source.Disabled {
				return http.StatusOK, `{"integrations":{"Segment.io":{}},"plan":{}}`
			}
		}
	}
	return http.StatusNotFound, "Cannot find source"
}

// answer answers as the Public API does. The mutex is held.
func (s *Server) answer(r *http.Request, authorized bool) (int, string) {
	if !authorized {
		return http.StatusUnauthorized, errorBody("unauthorized", "Unauthorized", "", "")
	}
	if r.Method != http.MethodGet {
		return http.StatusMethodNotAllowed, errorBody("method-not-allowed", "the stand-in only reads", "", "")
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/sources":
		var sources []any
		for _, source := range s.sources {
			sources = append(sources, s.sourceJSON(source))
		}
		return s.list(r, "sources", sources)
	case path[0] == "destinations" && (len(path) == 2 || len(path) == 3 && path[2] == "subscriptions"):
		for _, d := range s.destinations {
			if d.ID != path[1] {
				continue
			}
			if len(path) == 2 {
				return success(map[string]any{"destination": map[string]any{
					"id": d.ID, "name": d.Name, "enabled": !d.Disabled, "settings": d.Settings,
					"metadata": map[string]any{"id": "639c2dbb1309fdcad13951b6", "slug": "actions-segment-profiles", "name": "Segment Profiles"},
				}})
			}
			var subscriptions []any
			for _, subscription := range d.Subscriptions {
				subscriptions = append(subscriptions, subscription)
			}
			return s.list(r, "subscriptions", subscriptions)
		}
	}
	return http.StatusNotFound, errorBody("not-found", "the requested uri does not exist", "", "")
}

func (s *Server) sourceJSON(source Source) map[string]any {
	keys := []string{}
	for _, key := range source.WriteKeys {
		if !s.hidden {
			keys = append(keys, key.Reveal())
		}
	}
	return map[string]any{
		"id": source.ID, "slug": source.Slug, "name": source.Name, "workspaceId": "workspace-1", "enabled": !source.Disabled,
		"writeKeys": keys, "labels": []any{},
		"metadata": map[string]any{"id": "metadata-" + source.Kind, "slug": source.Kind, "name": source.Kind},
	}
}

// list answers with one page of a list.
func (s *Server) list(r *http.Request, name string, entries []any) (int, string) {
	query := r.URL.Query()
	count, err := strconv.Atoi(query.Get("pagination.count"))
	if err != nil || count < 1 || count > MaxCount {
		return http.StatusUnprocessableEntity, errorBody("input-validation",
			`"pagination.count" must be a number between 1 and 1000`, "pagination.count", "")
	}
	if s.pageSize > 0 {
		count = min(count, s.pageSize)
	}
	start := 0
	cursor := query.Get("pagination.cursor")
	if cursor != "" {
		text, err := base64.StdEncoding.DecodeString(cursor)
		if start, err = atoi(text, err); err != nil || start < 0 {
			return http.StatusUnprocessableEntity, errorBody("input-validation", "invalid cursor", "pagination.cursor", "")
		}
	}
	start = min(start, len(entries))
	end := min(start+count, len(entries))
	pagination := map[string]any{"current": cursorOf(start), "totalEntries": len(entries)}
	if start > 0 {
		pagination["previous"] = cursorOf(max(start-count, 0))
	}
	if end < len(entries) {
		pagination["next"] = cursorOf(end)
	}
	return success(map[string]any{name: append([]any{}, entries[start:end]...), "pagination": pagination})
}

func atoi(text []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

func cursorOf(start int) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(start)))
}

func success(data any) (int, string) {
	text, err := json.Marshal(map[string]any{"data": data})
	if err != nil { // a subscription that is not JSON, or settings that cannot be
		return http.StatusInternalServerError, errorBody("server", "publicapitest: "+err.Error(), "", "")
	}
	return http.StatusOK, string(text)
}

// errorBody is the API's account of one error; data is JSON.
func errorBody(typ, message, field, data string) string {
	failure := map[string]any{"type": typ, "message": message}
	if field != "" {
		failure["field"] = field
	}
	if data != "" {
		failure["data"] = json.RawMessage(data)
	}
	text, err := json.Marshal(map[string]any{"errors": []any{failure}})
	if err != nil {
		return `{"errors":[{"type":"server"}]}`
	}
	return string(text)
}

func write(w http.ResponseWriter, status int, header http.Header, body string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for name, values := range header {
		h[name] = values
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client may be gone
}
