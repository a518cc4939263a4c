// Package presets sends what HubSpot and Salesforce hold into Segment Profiles: a destination file for each of their usual objects, and
// readers of the JSON that their APIs answer with.
//
// A Preset is a file to start from: run it as it is with Destination, or write its JSON into a file of your own and edit that. It maps
// rows as a reverse ETL sync gives them, {"type": "track", "event": "new", "updated" or "deleted", "properties": {columns,
// "__segment_id": key}}, whose key column is the preset's Key; Properties and SOQL say what to ask the API for. See Preset for what
// the mappings promise: who a row is, what nulls do, and what an opt-out is.
//
//	p := presets.HubSpotContacts()
//	dest, err := p.Destination() // which has no region: the client needs its own
//	client, err := profiles.New(profiles.Config{Region: region.Europe, WriteKey: key})
//	s := retl.Sync{Client: client, Destination: dest, State: state, Model: retl.Model{
//		Name: p.Name(), Key: p.Key(), Records: presets.Pages(presets.ReadHubSpot, fetch),
//	}}
//
// ReadHubSpot and ReadSalesforce yield the column maps that such rows are made of, in constant memory. CSV, which HubSpot's exports and
// Salesforce's Bulk API 2.0 give, is not read here but by package retl. Nothing here makes requests or knows a token.
package presets
