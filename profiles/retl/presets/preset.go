package presets

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A Preset is a destination file for one object of HubSpot or Salesforce, and what it needs of the API. It never changes, and may be used
// by any number of goroutines. The zero value has no file. What the mappings of all presets promise:
//
// Who a row is. A person is the anonymous_id hubspot-contact-<key>, salesforce-contact-<key> or salesforce-lead-<key>; there is no user_id.
// Segment joins the profile with the one that your application's events have made by the e-mail address, in the trait email. An id of the
// CRM as user_id would stand in the way of that: a profile has one user_id, and a second one parts it in two. Where the CRM holds your own
// user ids, WithUserID sends them.
//
// Accounts. group_id is hubspot-company-<key> or salesforce-account-<key>, in the presets of companies and accounts and in those of people
// alike; people are made members by a group call that has no traits. Group calls have to be somebody's: those of companies and accounts
// have as anonymous_id what is their group_id, which stands for nobody. Segment keeps a profile for it, without traits. That a
// person has left an account cannot be said to Segment.
//
// Traits. What every system knows (email, firstName, lastName, title; name, website, industry and employees of accounts) is sent where the
// row has it and left alone where it does not: a field that is empty in the CRM does not clear what another system has said. All other
// traits are called hubspot_* or salesforce_*, belong to the CRM alone, and are cleared by a null. Telephone numbers are among those: as
// the trait phone, the number of a switchboard would join everybody behind it into one person.
//
// Opt-outs. Who has opted out of e-mail (hs_email_optout, HasOptedOutOfEmail) and has an address becomes unsubscribed. For who has
// not, nothing is sent: not having opted out is no consent, and a word sent for it would replace what the person has told somebody else.
// An opt-out that is taken back in the CRM is therefore not taken back in Segment, and one that a changed row sends again replaces a
// later choice. As not opted out count false (also as the text false, False or FALSE), numbers but 1, the text 0, "" and null; a text that is
// neither a boolean nor the word of a status makes the message Invalid instead of being passed over. Where the CRM has recorded consent, add a mapping that sends it, as the example of JSON does. DoNotCall is
// about calls, and a trait only.
//
// Deleted rows, and rows that are archived or IsDeleted, send nothing, but for their opt-out: an identify call would bring back to life
// the profile of a person who has asked to be forgotten. A mapping that sets a trait instead, called "deleted", is there, switched off.
//
// Time. A message's timestamp is when the CRM last changed the object (updatedAt, SystemModstamp), where the row has that, else the row's
// own. The mappings name no Profile Space: messages go to the client's own.
type Preset struct {
	name, service, object, key string
	fields                     []string
	people                     bool
	json                       string
}

var (
	//go:embed hubspot_contacts.json
	hubSpotContacts string
	//go:embed hubspot_companies.json
	hubSpotCompanies string
	//go:embed salesforce_contact.json
	salesforceContact string
	//go:embed salesforce_lead.json
	salesforceLead string
	//go:embed salesforce_account.json
	salesforceAccount string
)

// HubSpotContacts is for HubSpot's contacts: people, members of the company that is associated with them, and opt-outs of e-mail.
func HubSpotContacts() Preset {
	return Preset{
		name: "hubspot-contacts", service: hubSpot, object: "contacts", key: "id", people: true, json: hubSpotContacts,
		fields: []string{
			"email", "firstname", "lastname", "jobtitle", "company", "associatedcompanyid", "phone", "mobilephone", "city", "country",
			"lifecyclestage", "hs_lead_status", "hubspot_owner_id", "hs_email_optout", "createdate",
		},
	}
}

// HubSpotCompanies is for HubSpot's companies: accounts. It does not need them to have a domain or a name.
func HubSpotCompanies() Preset {
	return Preset{
		name: "hubspot-companies", service: hubSpot, object: "companies", key: "id", json: hubSpotCompanies,
		fields: []string{
			"name", "domain", "industry", "numberofemployees", "annualrevenue", "phone", "city", "country", "type", "lifecyclestage",
			"hubspot_owner_id", "createdate",
		},
	}
}

// SalesforceContact is for Salesforce's Contact: people, members of their account, and opt-outs of e-mail.
func SalesforceContact() Preset {
	return Preset{
		name: "salesforce-contact", service: salesforce, object: "Contact", key: "Id", people: true, json: salesforceContact,
		fields: []string{
			"Email", "FirstName", "LastName", "Title", "AccountId", "Department", "Phone", "MobilePhone", "MailingCity", "MailingCountry",
			"LeadSource", "OwnerId", "HasOptedOutOfEmail", "DoNotCall", "CreatedDate", "SystemModstamp",
		},
	}
}

// SalesforceLead is for Salesforce's Lead: people and opt-outs of e-mail. A lead that was converted is not kept up any more, and so says
// only what it became; the account that it became makes its person a member.
func SalesforceLead() Preset {
	return Preset{
		name: "salesforce-lead", service: salesforce, object: "Lead", key: "Id", people: true, json: salesforceLead,
		fields: []string{
			"Email", "FirstName", "LastName", "Title", "Status", "LeadSource", "Company", "Phone", "MobilePhone", "City", "Country", "OwnerId",
			"IsConverted", "ConvertedContactId", "ConvertedAccountId", "HasOptedOutOfEmail", "DoNotCall", "CreatedDate", "SystemModstamp",
		},
	}
}

// SalesforceAccount is for Salesforce's Account: accounts.
func SalesforceAccount() Preset {
	return Preset{
		name: "salesforce-account", service: salesforce, object: "Account", key: "Id", json: salesforceAccount,
		fields: []string{
			"Name", "Website", "Industry", "NumberOfEmployees", "ParentId", "Type", "AnnualRevenue", "Phone", "BillingCity", "BillingCountry",
			"OwnerId", "CreatedDate", "SystemModstamp",
		},
	}
}

// All returns every preset, HubSpot's first. The slice is the caller's.
func All() []Preset {
	return []Preset{HubSpotContacts(), HubSpotCompanies(), SalesforceContact(), SalesforceLead(), SalesforceAccount()}
}

// Name returns what tells the preset from the others, fit for a file's name or an Input's: hubspot-contacts.
func (p Preset) Name() string { return p.name }

// Object returns what the API calls the object: contacts, Account.
func (p Preset) Object() string { return p.object }

// Key returns the column that is unique, whose value rows have as __segment_id: id for HubSpot, Id for Salesforce.
func (p Preset) Key() string { return p.key }

// Fields returns the fields that the mappings read, as the API names them, without those that it gives unasked. The slice is the caller's.
func (p Preset) Fields() []string { return slices.Clone(p.fields) }

// Columns returns the columns of a row that the mappings read, the key first. The slice is the caller's.
func (p Preset) Columns() []string {
	columns := []string{p.key}
	for _, field := range p.fields {
		columns = append(columns, column(field))
	}
	if p.service == hubSpot {
		columns = append(columns, "updatedAt", "archived")
	}
	return columns
}

// Properties returns the fields as HubSpot's list endpoint wants them, for the query parameter properties: email,firstname,lastname. Without
// it HubSpot answers with a handful of its own choice. It is empty for Salesforce.
func (p Preset) Properties() string {
	if p.service != hubSpot {
		return ""
	}
	return strings.Join(p.fields, ",")
}

// SOQL returns the query for Salesforce, without conditions: SELECT Id, Email, ... FROM Contact. A field that your organisation does not
// have, or hides from the user who asks, makes Salesforce refuse the whole query: leave it out, and the mappings leave its trait out.
// With queryAll, which gives deleted records too, ask for IsDeleted as well. It is empty for HubSpot.
func (p Preset) SOQL() string {
	if p.service != salesforce {
		return ""
	}
	return "SELECT " + p.key + ", " + strings.Join(p.fields, ", ") + " FROM " + p.object
}

// JSON returns the destination file, for a file of your own. The bytes are the caller's.
func (p Preset) JSON() []byte { return []byte(p.json) }

// Destination returns the preset as it is, ready for a client. The error is a *profiles.DestinationError, and nil for every preset that
// this package returns.
func (p Preset) Destination() (*profiles.Destination, error) {
	return profiles.ParseDestination([]byte(p.json))
}
