package presets

import (
	"fmt"
	"io"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

const salesforce = "Salesforce"

// ReadSalesforce yields the records in answers of Salesforce's REST API as maps from column to value: those of query and queryAll,
// {"totalSize", "done", "records": [...]}, any number of pages one after another, with or without line ends between them. It also takes
// arrays of records and records one after another. The CSV of the Bulk API 2.0 is not for it.
//
// The columns of a record are its fields, without attributes. Those of a related record, and the parts of a compound field such as
// MailingAddress, become columns of their own with an underscore, in which paths of mappings read well: Account.Name is Account_Name,
// Account.Owner.Email Account_Owner_Email, MailingAddress.city MailingAddress_city. A related record that is not there is one
// column, Account, that is null. The records of a sub-query are one column that holds an array of such maps. Values are what Salesforce
// gives, times as 2024-01-02T03:04:05.000+0000; numbers are json.Number. Two members of one name: the last one counts.
//
// A record that is not an object, gives two columns of one name, is nested more than 20 levels deep, or has a sub-query whose records are
// not all there, is a *profiles.BadRecord, which names its place and nothing of what it holds but field names, and the rest go on. What
// ends the range is yielded last: a *FormatError for what is no such answer or no JSON, nothing at all included; an *APIError for Salesforce's own
// errors; an *IncompleteError where the last page is not done; or r's error, wrapped.
//
// It holds one element at a time, and what a page has beside its records; it reads ahead in r by a few kilobytes. The range can
// be had once, and yields retl.ErrSpent then; nothing closes r. The maps are the caller's.
func ReadSalesforce(r io.Reader) iter.Seq2[profiles.Record, error] {
	return retl.Once(salesforceFormat.read(r))
}

var salesforceFormat = &format{
	service: salesforce,
	list:    "records",
	record: func(element map[string]any) (profiles.Record, error) {
		rec := make(profiles.Record, len(element))
		return rec, flatten(rec, "", element, maxNesting)
	},
	lone: func(object map[string]any) bool {
		_, described := object["attributes"].(map[string]any)
		return described || object["Id"] != nil
	},
	next: func(page map[string]any) (string, bool) {
		next := text(page["nextRecordsUrl"])
		return next, next != "" || page["done"] == false
	},
	failure: func(object map[string]any) *APIError {
		code, message := text(object["errorCode"]), text(object["message"])
		if code == "" {
			code, message = text(object["error"]), text(object["error_description"])
		}
		if code == "" {
			return nil
		}
		return &APIError{Service: salesforce, Code: capped(code, 100), Message: capped(message, 1000)}
	},
	partial: func(map[string]any) []string { return nil },
}

// maxNesting is how many levels of related records are read. Salesforce has five.
const maxNesting = 20

// flatten puts the fields of an object into a record, each name behind a prefix, with so many levels left.
func flatten(rec profiles.Record, prefix string, object map[string]any, levels int) error {
	if levels == 0 {
		return fmt.Errorf("it is nested more than %d levels deep", maxNesting)
	}
	for name, v := range object {
		nested, is := v.(map[string]any)
		if is && name == "attributes" {
			continue
		}
		name = prefix + name
		if is {
			list, sub := nested["records"].([]any)
			if !sub {
				if err := flatten(rec, name+"_", nested, levels-1); err != nil {
					return err
				}
				continue
			}
			if nested["done"] == false {
				return fmt.Errorf("the records of its sub-query %q are not all there", capped(name, 100))
			}
			rows := make([]any, 0, len(list))
			for _, item := range list {
				fields, ok := item.(map[string]any)
				if !ok {
					return fmt.Errorf("a record of its sub-query %q is not an object", capped(name, 100))
				}
				row := make(map[string]any, len(fields))
				if err := flatten(row, "", fields, levels-1); err != nil {
					return err
				}
				rows = append(rows, row)
			}
			v = rows
		}
		if _, twice := rec[name]; twice {
			return fmt.Errorf("two of its fields give the column %q", capped(name, 100))
		}
		rec[name] = v
	}
	return nil
}
