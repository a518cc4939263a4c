package presets_test

import (
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

// rows makes rows of columns, as a first sync does.
func rows(p presets.Preset, records iter.Seq2[profiles.Record, error]) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		for columns, err := range records {
			var row profiles.Record
			if err == nil {
				columns["__segment_id"] = columns[p.Key()]
				row = profiles.Record{"type": "track", "event": "new", "timestamp": "2024-06-01T00:00:00Z", "properties": columns}
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// What the APIs answer goes through reader, preset and client, and arrives.
func TestFromAnswersToMessages(t *testing.T) {
	for _, c := range []struct {
		preset  presets.Preset
		records iter.Seq2[profiles.Record, error]
		want    []string
	}{
		{presets.HubSpotContacts(), presets.ReadHubSpot(open(t, "hubspot_contacts_page1.json", "hubspot_contacts_page2.json")), []string{
			"identify hubspot-contact-501", "group hubspot-contact-501 hubspot-company-901", "identify hubspot-contact-501 EMAIL UNSUBSCRIBED",
			"identify hubspot-contact-502", "identify hubspot-contact-503",
		}},
		{presets.SalesforceContact(), presets.ReadSalesforce(open(t, "salesforce_contact.json")), []string{
			"identify salesforce-contact-003000000000001AAA", "group salesforce-contact-003000000000001AAA salesforce-account-001000000000001AAA",
			"identify salesforce-contact-003000000000001AAA EMAIL UNSUBSCRIBED", "identify salesforce-contact-003000000000002AAA",
			"identify salesforce-contact-003000000000003AAA",
		}},
	} {
		dest, err := c.preset.Destination()
		if err != nil {
			t.Fatal(err)
		}
		client, sent := profilestest.NewClient(t)
		for outcome, err := range client.Process(t.Context(), dest.For(profiles.Input{Name: c.preset.Name()}), rows(c.preset, c.records)) {
			if err != nil || outcome.Err() != nil {
				t.Fatal(err, outcome.Err())
			}
		}
		got := map[string]int{}
		for _, m := range sent.Messages(t) {
			got[short(t, m.Raw)]++
		}
		for _, want := range c.want {
			if got[want] != 1 {
				t.Errorf("%s: %q was sent %d times", c.preset.Name(), want, got[want])
			}
			delete(got, want)
		}
		for more := range got {
			t.Errorf("%s: %q was sent as well", c.preset.Name(), more)
		}
	}
}

// short says in a few words what a message is.
func short(t *testing.T, text []byte) string {
	t.Helper()
	var m struct {
		Type, AnonymousID, GroupID string
		Context                    struct {
			Subscriptions []struct{ Type, Status string } `json:"messaging_subscriptions"`
		}
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	words := []string{m.Type, m.AnonymousID, m.GroupID}
	for _, s := range m.Context.Subscriptions {
		words = append(words, s.Type, s.Status)
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}
