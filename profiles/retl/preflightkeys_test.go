package retl_test

import (
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// spaced is people, with a Profile Space of its own in its second mapping.
func spaced(key profiles.WriteKey) string {
	return strings.Replace(people, `"user_id": {"@path": "$.properties.__segment_id"}`,
		`"engage_space": "`+key.Reveal()+`", "user_id": {"@path": "$.properties.__segment_id"}`, 1)
}

func TestPreflightKeys(t *testing.T) {
	const anyOf = "One of these is so: the workspace is in the other region; or the key is that of a source that is not a Profile Space; or the token is of another workspace"
	type want struct {
		name    string
		verdict retl.Verdict
		text    string
	}
	exists := want{retl.CheckWriteKey, retl.VerdictOK, "the client's write key exists"}
	tests := []struct {
		name   string
		change func(*preflightWorld)
		want   []want
	}{
		{"without the Public API", func(w *preflightWorld) { w.flight.API = nil }, []want{exists, {retl.CheckSpace, retl.VerdictNotChecked, "only the Public API tells"}}},
		{"of nobody", func(w *preflightWorld) { w.config.WriteKey = otherKey }, []want{
			{retl.CheckWriteKey, retl.VerdictProblem, "no source at Segment has the client's write key"}, {retl.CheckSpace, retl.VerdictProblem, anyOf}}},
		{"of another source", func(w *preflightWorld) {
			w.config.WriteKey = otherKey
			w.api.AddSource(publicapitest.Source{Name: "Website", Kind: "javascript", WriteKeys: []profiles.WriteKey{otherKey}})
		}, []want{exists, {retl.CheckSpace, retl.VerdictProblem, "that of none of the workspace's 1 Profile Space. " + anyOf}}},
		{"of the other region", func(w *preflightWorld) {
			other := publicapitest.NewServer(w.t)
			other.AddSpace("Production US", otherKey)
			w.config.WriteKey, w.flight.CDN, w.flight.OtherAPI = otherKey, other.CDN(), apiOf(w.t, other)
		}, []want{exists, {retl.CheckSpace, retl.VerdictProblem, `that of the Profile Space "Production US" in the other region`}}},
		{"of the other region, which alone is asked", func(w *preflightWorld) {
			w.flight.API, w.flight.OtherAPI = nil, w.flight.API
		}, []want{exists, {retl.CheckSpace, retl.VerdictProblem, `in the other region`}}},
		{"not of the other region, which alone is asked", func(w *preflightWorld) {
			other := publicapitest.NewServer(w.t)
			w.flight.API, w.flight.OtherAPI = nil, apiOf(w.t, other)
		}, []want{exists, {retl.CheckSpace, retl.VerdictNotChecked, "those of this region were not asked for, nor one of the other region's"}}},
		{"of neither region", func(w *preflightWorld) {
			w.config.WriteKey, w.flight.OtherAPI = otherKey, apiOf(w.t, publicapitest.NewServer(w.t))
		}, []want{{retl.CheckSpace, retl.VerdictProblem, "nor one of the other region's"}}},
		{"the other region refuses", func(w *preflightWorld) {
			other := publicapitest.NewServer(w.t)
			other.Fail(publicapitest.Status(403))
			w.config.WriteKey, w.flight.OtherAPI = otherKey, apiOf(w.t, other)
		}, []want{{retl.CheckSpace, retl.VerdictProblem, "those of the other region could not be listed"}}},
		{"no role", func(w *preflightWorld) { w.api.HideWriteKeys() }, []want{exists, {retl.CheckSpace, retl.VerdictNotChecked, "none of the write keys of its 1 Profile Space. Take a token with the role Source Admin"}}},
		{"some are hidden", func(w *preflightWorld) {
			w.config.WriteKey = otherKey
			w.api.AddSource(publicapitest.Source{Name: "Website", Kind: "javascript", WriteKeys: []profiles.WriteKey{otherKey}})
			w.api.AddSpace("Hidden", profiles.WriteKey{})
		}, []want{exists, {retl.CheckSpace, retl.VerdictWarning, "does not see those of 1 Profile Space"}}},
		{"no spaces", func(w *preflightWorld) {
			empty := publicapitest.NewServer(w.t)
			w.flight.API = apiOf(w.t, empty)
		}, []want{exists, {retl.CheckSpace, retl.VerdictWarning, "sees no Profile Space"}}},
		{"switched off", func(w *preflightWorld) {
			w.config.WriteKey = otherKey
			w.api.AddSource(publicapitest.Source{Name: "Old", Kind: publicapitest.SpaceKind, Disabled: true, WriteKeys: []profiles.WriteKey{otherKey}})
		}, []want{{retl.CheckSpace, retl.VerdictProblem, `"Old" is switched off`}}},
		{"token refused", func(w *preflightWorld) { w.api.Fail(publicapitest.Pass(), publicapitest.Status(401)) }, []want{exists, {retl.CheckSpace, retl.VerdictNotChecked, "one of another region is not known"}}},
		{"portal", func(w *preflightWorld) { w.api.Fail(publicapitest.HTMLPortal(), publicapitest.HTMLPortal()) }, []want{
			{retl.CheckWriteKey, retl.VerdictNotChecked, "page"}, {retl.CheckSpace, retl.VerdictNotChecked, "could not be listed"}}},
		{"a mapping's", func(w *preflightWorld) {
			w.dest = spaced(otherKey)
			w.api.AddSpace("Gone", otherKey)
		}, []want{exists, {retl.CheckWriteKey, retl.VerdictOK, `write key "gone": ok: the write key of "gone" exists`}, {retl.CheckSpace, retl.VerdictOK, `space "gone": ok: the write key of "gone" is that of the Profile Space "Gone"`}}},
		{"a mapping's of nobody", func(w *preflightWorld) { w.dest = spaced(otherKey) }, []want{exists, {retl.CheckWriteKey, retl.VerdictProblem, `"gone"`}, {retl.CheckSpace, retl.VerdictProblem, `"gone"`}}},
		{"named", func(w *preflightWorld) { w.flight.Space = "Production" }, []want{{retl.CheckSpace, retl.VerdictOK, "as it was meant"}}},
		{"named without the Public API", func(w *preflightWorld) {
			w.flight.API, w.flight.Space = nil, "Production"
		}, []want{{retl.CheckSpace, retl.VerdictNotChecked, "only the Public API tells"}}},
		{"named with the other Public API alone", func(w *preflightWorld) {
			w.flight.API, w.flight.OtherAPI, w.flight.Space = nil, apiOf(w.t, publicapitest.NewServer(w.t)), "Production"
		}, []want{{retl.CheckSpace, retl.VerdictNotChecked, `"Production" has was not asked for`}}},
		{"another is named", func(w *preflightWorld) {
			w.flight.Space = "Staging"
			w.api.AddSpace("Staging", otherKey)
		}, []want{{retl.CheckSpace, retl.VerdictProblem, `not that of the Profile Space "Staging", but that of "Production"`}}},
		{"several are so named", func(w *preflightWorld) {
			w.flight.Space = "Production"
			w.api.AddSpace("Production", otherKey)
		}, []want{{retl.CheckSpace, retl.VerdictProblem, "2 spaces are called so"}}},
		{"none is so named", func(w *preflightWorld) { w.flight.Space = "Nowhere" }, []want{{retl.CheckSpace, retl.VerdictProblem, `there is none of this name`}}},
		{"named and hidden", func(w *preflightWorld) {
			w.flight.Space = "Production"
			w.api.HideWriteKeys()
		}, []want{{retl.CheckSpace, retl.VerdictNotChecked, "Source Admin"}}},
		{"a mapping's is named", func(w *preflightWorld) {
			w.config.WriteKey, w.flight.Space = profiles.WriteKey{}, "Gone"
			w.dest = strings.Replace(spaced(otherKey), `"user_id": {"@path": "$.properties.id"}`, `"engage_space": "`+ownKey.Reveal()+`", "user_id": {"@path": "$.properties.id"}`, 1)
			w.api.AddSpace("Gone", otherKey)
		}, []want{{retl.CheckSpace, retl.VerdictOK, `"Gone" is one of the mappings'`}}},
		{"no mapping's is named", func(w *preflightWorld) {
			w.config.WriteKey, w.flight.Space = profiles.WriteKey{}, "Gone"
			w.dest = strings.Replace(people, `"user_id"`, `"engage_space": "`+ownKey.Reveal()+`", "user_id"`, 2)
			w.api.AddSpace("Gone", otherKey)
		}, []want{{retl.CheckSpace, retl.VerdictProblem, `no mapping sends to the Profile Space "Gone"`}, {retl.CheckWriteKey, retl.VerdictOK, `"people, gone"`}}},
		{"looked up in each row", func(w *preflightWorld) {
			w.config.WriteKey = profiles.WriteKey{}
			w.dest = strings.Replace(people, `"user_id"`, `"engage_space": {"@path": "$.properties.space"}, "user_id"`, 2)
		}, []want{{retl.CheckWriteKey, retl.VerdictNotChecked, "no write key that is known before the rows are"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newPreflight(t)
			tt.change(w)
			r := w.run()
			problem := false
			for _, want := range tt.want {
				says(t, r, want.name, want.verdict, want.text)
				problem = problem || want.verdict == retl.VerdictProblem
			}
			if tt.name != "looked up in each row" && r.OK() == problem {
				t.Errorf("OK is %t\n%s", r.OK(), r)
			}
		})
	}
}
