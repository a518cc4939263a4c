package presets_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

// What one contact sends, before anything is sent.
func Example() {
	preset := presets.HubSpotContacts()
	dest, err := preset.Destination()
	if err != nil {
		log.Fatal(err)
	}
	answer := `{"results": [{"id": "501", "updatedAt": "2024-05-06T07:08:09.123Z", "archived": false,
		"properties": {"email": "ada@example.com", "hs_email_optout": "true", "phone": ""}}]}`
	for columns, err := range presets.ReadHubSpot(strings.NewReader(answer)) {
		if err != nil {
			log.Fatal(err)
		}
		columns["__segment_id"] = columns[preset.Key()]
		row := profiles.Record{"type": "track", "event": "new", "properties": columns}
		for _, m := range dest.Preview(row, 0).Messages {
			fmt.Println(m.Mapping.ID(), m.Fields["anonymous_id"], m.Fields["traits"], m.Fields["email_subscription_status"])
		}
	}
	// Output:
	// people hubspot-contact-501 map[email:ada@example.com hubspot_contact_id:501 hubspot_email_opt_out:true hubspot_phone:<nil>] <nil>
	// opt-outs hubspot-contact-501 <nil> false
}

// The list of all contacts, fetched page by page.
func ExamplePages() {
	const token = "the token of a private app"
	query := url.Values{"limit": {"100"}, "properties": {presets.HubSpotContacts().Properties()}}
	fetch := func(next string) (io.ReadCloser, error) {
		if next != "" {
			query.Set("after", next)
		}
		req, err := http.NewRequest(http.MethodGet, "https://api.hubapi.com/crm/v3/objects/contacts?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		return res.Body, nil
	}
	for columns, err := range presets.Pages(presets.ReadHubSpot, fetch) {
		if bad, ok := errors.AsType[*profiles.BadRecord](err); ok {
			log.Print(bad)
			continue
		}
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Println(columns["id"])
	}
}

// A page alone is not the whole list.
func ExampleReadSalesforce() {
	answer := `{"totalSize": 2, "done": false, "nextRecordsUrl": "/services/data/v62.0/query/01g-1", "records": [
		{"attributes": {"type": "Contact"}, "Id": "003A", "Account": {"attributes": {"type": "Account"}, "Name": "Engines Ltd"}}]}`
	for columns, err := range presets.ReadSalesforce(strings.NewReader(answer)) {
		if incomplete, ok := errors.AsType[*presets.IncompleteError](err); ok {
			fmt.Println("goes on at", incomplete.Next)
		} else if err == nil {
			fmt.Println(columns["Id"], columns["Account_Name"])
		}
	}
	// Output:
	// 003A Engines Ltd
	// goes on at /services/data/v62.0/query/01g-1
}

// What to ask Salesforce for.
func ExamplePreset_SOQL() {
	fmt.Println(presets.SalesforceAccount().SOQL() + " WHERE SystemModstamp >= 2024-05-01T00:00:00Z")
	// Output:
	// SELECT Id, Name, Website, Industry, NumberOfEmployees, ParentId, Type, AnnualRevenue, Phone, BillingCity, BillingCountry, OwnerId, CreatedDate, SystemModstamp FROM Account WHERE SystemModstamp >= 2024-05-01T00:00:00Z
}

// Consent that the CRM has recorded in a field of its own becomes a subscription: a mapping more in a copy of the file.
func ExamplePreset_JSON() {
	const optIns = `{
		"id": "opt-ins", "action": "sendSubscription",
		"trigger": "(event = \"new\" or event = \"updated\") and properties.Newsletter_Consent__c = true and properties.HasOptedOutOfEmail = false and properties.Email != null",
		"fields": {
			"anonymous_id": {"@template": "salesforce-contact-{{properties.__segment_id}}"}, "email": {"@path": "$.properties.Email"},
			"email_subscription_status": "subscribed", "timestamp": {"@path": "$.timestamp"}}}`
	var file struct {
		Name     string            `json:"name"`
		Mappings []json.RawMessage `json:"mappings"`
	}
	if err := json.Unmarshal(presets.SalesforceContact().JSON(), &file); err != nil {
		log.Fatal(err)
	}
	file.Mappings = append(file.Mappings, json.RawMessage(optIns))
	text, err := json.Marshal(file)
	if err != nil {
		log.Fatal(err)
	}
	dest, err := profiles.ParseDestination(text)
	if err != nil {
		log.Fatal(err)
	}
	row := profiles.Record{"type": "track", "event": "updated", "properties": map[string]any{
		"__segment_id": "003A", "Email": "ada@example.com", "HasOptedOutOfEmail": false, "Newsletter_Consent__c": true,
	}}
	for _, m := range dest.Preview(row, 0).Messages {
		fmt.Println(m.Mapping.ID(), m.Err)
	}
	// Output:
	// people <nil>
	// opt-ins <nil>
}

// The CRM knows the application's user ids.
func ExamplePreset_WithUserID() {
	preset, err := presets.SalesforceContact().WithUserID("App_User_Id__c")
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(string(preset.JSON())) {
		if strings.Contains(line, "user_id") {
			fmt.Println(strings.TrimSpace(line))
			break
		}
	}
	// Output:
	// "user_id": {"@path": "$.properties.App_User_Id__c"},
}
