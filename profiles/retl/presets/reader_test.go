package presets_test

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl/presets"
)

// all ranges over records, and returns each as a line: its JSON, or "bad: " and why; and what the range ended with.
func all(records iter.Seq2[profiles.Record, error]) (lines []string, end error) {
	for rec, err := range records {
		bad, ok := errors.AsType[*profiles.BadRecord](err)
		switch {
		case end != nil:
			panic("something follows the error")
		case ok:
			lines = append(lines, "bad: "+bad.Error())
		case err != nil:
			end = err
		default:
			text, err := json.Marshal(rec)
			if err != nil {
				panic(err)
			}
			lines = append(lines, string(text))
		}
	}
	return lines, end
}

// check compares what a range gives with lines, and its end with a text that its error has to contain, "" for none.
func check(t *testing.T, records iter.Seq2[profiles.Record, error], want []string, wantEnd string) {
	t.Helper()
	lines, end := all(records)
	if got, want := strings.Join(lines, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if (end == nil) != (wantEnd == "") || end != nil && !strings.Contains(end.Error(), wantEnd) {
		t.Errorf("the range ended with %v, not %q", end, wantEnd)
	}
}

func open(t *testing.T, names ...string) io.Reader {
	t.Helper()
	var files []io.Reader
	for _, name := range names {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, strings.NewReader(string(text)))
	}
	return io.MultiReader(files...)
}

func TestReadHubSpot(t *testing.T) {
	first := []string{
		`{"archived":false,"associatedcompanyid":"901","company":"Engines Ltd","createdAt":"2024-01-02T03:04:05.678Z","createdate":"2024-01-02T03:04:05.678Z",` +
			`"email":"ada@example.com","firstname":"Ada","hs_email_optout":"true","hs_object_id":"501","id":"501","jobtitle":null,` +
			`"lastmodifieddate":"2024-05-06T07:08:09.123Z","lastname":"Lovelace","lifecyclestage":"customer","phone":null,"updatedAt":"2024-05-06T07:08:09.123Z"}`,
		`{"archived":false,"associatedcompanyid":null,"createdAt":"2024-02-03T04:05:06.789Z","createdate":"2024-02-03T04:05:06.789Z","email":null,` +
			`"firstname":"Grace","hs_email_optout":null,"hs_object_id":"502","id":"502","lastmodifieddate":"2024-02-03T04:05:06.789Z","lastname":"Hopper",` +
			`"updatedAt":"2024-02-03T04:05:06.789Z"}`,
	}
	second := `{"archived":false,"associations":{"companies":{"results":[{"id":"901","type":"contact_to_company"}]}},"createdAt":"2024-03-04T05:06:07Z",` +
		`"email":"edsger@example.com","hs_email_optout":"false","id":"503","updatedAt":"2024-03-04T05:06:07Z"}`
	one, two := "hubspot_contacts_page1.json", "hubspot_contacts_page2.json"
	check(t, presets.ReadHubSpot(open(t, one, two)), append(first, second), "")
	check(t, presets.ReadHubSpot(iotest.OneByteReader(open(t, one, two))), append(first, second), "")
	check(t, presets.ReadHubSpot(open(t, one)), first, "not the whole list")
	_, err := all(presets.ReadHubSpot(open(t, one)))
	if incomplete, ok := errors.AsType[*presets.IncompleteError](err); !ok || incomplete.Next != "503" || incomplete.Service != "HubSpot" {
		t.Errorf("%#v", err)
	}

	for _, c := range []struct{ in, want, end string }{
		{in: `{"results":[]}`},
		{in: "\ufeff{\"results\":[]}\n\n"},
		{in: `[]`},
		{in: `[{"id":"1","properties":{}}] {"id":"2","properties":{"a":""}}`, want: `{"id":"1"}|{"a":null,"id":"2"}`},
		{in: `{"id":1,"properties":{"id":"x","archived":"x"},"archived":true}`, want: `{"archived":true,"id":"1"}`},
		{in: `{"total":1,"results":[{"id":"1","properties":{"n":12345678901234567890}}]}`, want: `{"id":"1","n":12345678901234567890}`},
		{in: `{"results":[{"id":"1","properties":{}}],"results":[{"id":"2","properties":{}}]}`, want: `{"id":"1"}|{"id":"2"}`},
		{in: `{"results":[7,{"id":"1","properties":{}},null,{"properties":{}},{"id":"","properties":{}},{"id":"3"},{"id":"4","properties":[]}]}`,
			want: `bad: page 1: results[0]: not an object|{"id":"1"}|bad: page 1: results[2]: not an object|bad: page 1: results[3]: it has no id|` +
				`bad: page 1: results[4]: it has no id|bad: page 1: results[5]: it has no properties object|bad: page 1: results[6]: it has no properties object`},
		{in: `{"id":"1","properties":7}`, want: `bad: object 1: it has no properties object`},
		{in: `[[]]`, want: `bad: page 1: [0]: not an object`},
		{in: `{"status":"COMPLETE","results":[{"id":"1","properties":{}}],"numErrors":1,"errors":[{"status":"error","category":"OBJECT_NOT_FOUND","message":"secret"},7]}`,
			want: `{"id":"1"}|bad: page 1: errors[0]: an object that HubSpot could not give: OBJECT_NOT_FOUND|bad: page 1: errors[1]: an object that HubSpot could not give`},
		{in: `{"results":[],"paging":{"next":{"after":"7"}}}{"results":[],"paging":null}`},
		{in: `{"results":[],"paging":{"next":{}}}`, end: "not the whole list"},
		{in: ``, end: "at byte 0: there is nothing"},
		{in: " \n", end: "it breaks off"},
		{in: `{"results":[{"id":"1","properties":{}}`, want: `{"id":"1"}`, end: "at byte 38: it breaks off"},
		{in: `{"results":[{"id":"1","properties":{}}]`, want: `{"id":"1"}`, end: "at byte 39: it breaks off"},
		{in: `{"results":[{"id":"1","properties":{}},{"id`, want: `{"id":"1"}`, end: "it breaks off"},
		{in: `{"results":[{"id":"1","properties":{}} oops]}`, want: `{"id":"1"}`, end: "not JSON"},
		{in: `{"results":[{"id":"1","properties":{}},]}`, want: `{"id":"1"}`, end: "not JSON"},
		{in: `{"results":`, end: "it breaks off"},
		{in: `{"a":1,}`, end: "not JSON"},
		{in: `{"a" 1}`, end: "not JSON"},
		{in: `{"results":[]}}`, end: "not JSON"},
		{in: `{"results":null}`, end: "results is no array"},
		{in: `{"results":{"a":"secret"}}`, end: "results is no array"},
		{in: `{"data":"secret"}`, end: "an object without results"},
		{in: `"secret"`, end: "neither an object nor an array"},
		{in: `<html>secret</html>`, end: "not JSON"},
		{in: `{"status":"error","message":"secret","correlationId":"c-1","category":"EXPIRED_AUTHENTICATION"}`,
			end: "HubSpot answered with an error: EXPIRED_AUTHENTICATION (correlationId c-1)"},
		{in: `{"category":"VALIDATION_ERROR","message":"secret"}`, end: "HubSpot answered with an error: VALIDATION_ERROR"},
	} {
		t.Run(c.in, func(t *testing.T) {
			check(t, presets.ReadHubSpot(strings.NewReader(c.in)), split(c.want), c.end)
			secretless(t, presets.ReadHubSpot(strings.NewReader(c.in)))
		})
	}
}

func split(lines string) []string {
	if lines == "" {
		return nil
	}
	return strings.Split(lines, "|")
}

func secretless(t *testing.T, records iter.Seq2[profiles.Record, error]) {
	t.Helper()
	for _, err := range records {
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a value is in %q", err)
		}
	}
}

func TestReadSalesforce(t *testing.T) {
	check(t, presets.ReadSalesforce(open(t, "salesforce_contact.json")), []string{
		`{"AccountId":"001000000000001AAA","Account_Name":"Engines Ltd","Account_Owner_Email":"owner@example.com","Cases":[{"CaseNumber":"00001001","Owner_Name":"Bo"}],` +
			`"Email":"ada@example.com","FirstName":"Ada","HasOptedOutOfEmail":true,"Id":"003000000000001AAA","LastName":"Lovelace","MailingAddress_city":"London",` +
			`"MailingAddress_country":"United Kingdom","MailingAddress_geocodeAccuracy":null,"MailingAddress_latitude":51.5,"MailingAddress_street":"1 Example Row",` +
			`"Number__c":9007199254740993,"SystemModstamp":"2024-05-06T07:08:09.000+0000"}`,
		`{"Account":null,"Cases":null,"Email":null,"HasOptedOutOfEmail":false,"Id":"003000000000002AAA","LastName":"Hopper","MailingAddress":null}`,
		`{"Id":"003000000000003AAA"}`,
	}, "")
	for _, c := range []struct{ in, want, end string }{
		{in: `{"totalSize":0,"done":true,"records":[]}`},
		{in: `[{"Id":"1"},{"attributes":{},"n":1}]{"Id":"2"}`, want: `{"Id":"1"}|{"n":1}|{"Id":"2"}`},
		{in: `{"done":true,"records":[{"Id":"1","A":{"B":1},"A_B":2},"x",{"Id":"2"}]}`,
			want: `bad: page 1: records[0]: two of its fields give the column "A_B"|bad: page 1: records[1]: not an object|{"Id":"2"}`},
		{in: `{"done":true,"records":[{"Id":"1","S":{"done":false,"records":[]}},{"S":{"records":[7]}},{"S":{"records":[{"S":{"done":false,"records":[]}}]}}]}`,
			want: `bad: page 1: records[0]: the records of its sub-query "S" are not all there|bad: page 1: records[1]: a record of its sub-query "S" is not an object|` +
				`bad: page 1: records[2]: the records of its sub-query "S" are not all there`},
		{in: `{"done":true,"records":[{"S":{"records":[{"A":1,"B":{"C":2},"B_C":3}]}},{"Id":"1"}]}`,
			want: `bad: page 1: records[0]: two of its fields give the column "B_C"|{"Id":"1"}`},
		{in: `[` + strings.Repeat(`{"Id":`, 20) + `1` + strings.Repeat(`}`, 20) + `,` + strings.Repeat(`{"Id":`, 21) + `1` + strings.Repeat(`}`, 21) + `]`,
			want: `{"` + strings.Repeat("Id_", 19) + `Id":1}|bad: page 1: [1]: it is nested more than 20 levels deep`},
		{in: `{"done":true,"records":[{"Id":"1","attributes":7,"E":{}}]}`, want: `{"Id":"1","attributes":7}`},
		{in: `{"done":false,"nextRecordsUrl":"/n","records":[]}`, end: "not the whole list"},
		{in: `{"done":false,"records":[{"Id":"1"}]}`, want: `{"Id":"1"}`, end: "not the whole list"},
		{in: `{"done":false,"nextRecordsUrl":"/n","records":[]} {"done":true,"records":[]}`},
		{in: `[{"message":"secret","errorCode":"INVALID_SESSION_ID"}]`, end: "Salesforce answered with an error: INVALID_SESSION_ID"},
		{in: `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"secret","fields":[]},{"errorCode":"X"}]`, end: "REQUEST_LIMIT_EXCEEDED"},
		{in: `{"error":"invalid_grant","error_description":"secret"}`, end: "invalid_grant"},
		{in: `{"id":"750000000000001AAA","state":"Open"}`, end: "an object without records"},
		{in: `[{"Id":"1","errorCode":"a field of that name"}]`, want: `{"Id":"1","errorCode":"a field of that name"}`},
		{in: "Id,Email\n1,secret", end: "at byte 0: not JSON"},
		{in: ``, end: "there is nothing"},
	} {
		t.Run(c.in, func(t *testing.T) {
			check(t, presets.ReadSalesforce(strings.NewReader(c.in)), split(c.want), c.end)
			secretless(t, presets.ReadSalesforce(strings.NewReader(c.in)))
		})
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := all(presets.ReadHubSpot(strings.NewReader(`{"status":"error","category":"RATE_LIMITS","message":"` + `x` + strings.Repeat("ä", 600) + `","correlationId":"c"}`)))
	if e, ok := errors.AsType[*presets.APIError](err); !ok || e.Service != "HubSpot" || e.Code != "RATE_LIMITS" || e.Message != "x"+strings.Repeat("ä", 499) || e.CorrelationID != "c" {
		t.Errorf("%#v", err)
	}
	_, err = all(presets.ReadSalesforce(strings.NewReader(`{"records":[`)))
	if e, ok := errors.AsType[*presets.FormatError](err); !ok || e.Service != "Salesforce" || e.Offset != 12 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%#v", err)
	}
	_, err = all(presets.ReadSalesforce(strings.NewReader(`{"records":x`)))
	if syntax := (*json.SyntaxError)(nil); !errors.As(err, &syntax) {
		t.Errorf("%#v", err)
	}
	broken := errors.New("connection reset")
	for _, begin := range []string{"", `{"results":[{"id":"1","properties":{}},`, `{"results":[]}`, `{"results":[`, `[{`} {
		lines, err := all(presets.ReadHubSpot(io.MultiReader(strings.NewReader(begin), iotest.ErrReader(broken))))
		if !errors.Is(err, broken) {
			t.Errorf("%q: %v, and not the reader's error", begin, err)
		}
		if want := strings.Count(begin, `"1"`); len(lines) != want {
			t.Errorf("%q: %d records, not %d", begin, len(lines), want)
		}
	}
	for _, records := range []iter.Seq2[profiles.Record, error]{presets.ReadHubSpot(strings.NewReader(`{"results":[{"secret":1}]}`))} {
		for _, err := range records {
			if bad, ok := errors.AsType[*profiles.BadRecord](err); !ok || string(bad.Text) != `{"secret":1}` {
				t.Errorf("%v", err)
			}
		}
	}
}

// Leaving the loop anywhere is quiet.
func TestLeavingTheLoop(t *testing.T) {
	in := `{"results":[{"id":"1","properties":{}},7],"errors":[{}]} {"id":"2","properties":{}} [{"id":"3","properties":{}}]`
	for stop := 1; stop <= 5; stop++ {
		n := 0
		for range presets.ReadHubSpot(strings.NewReader(in)) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("%d records, not %d", n, stop)
		}
	}
}
