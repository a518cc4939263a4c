package profiles

import "time"

// A Report sums up a Process. Skipped counts records, and so do Records and Matched; the other statuses count messages. The zero
// value is an empty report without mappings. Read back from its JSON it goes on counting. A Report is not safe for concurrent use.
type Report struct {
	Records int `json:"records"` // records with an outcome
	Matched int `json:"matched"` // of those, the ones that a mapping matched, Invalid ones included
	// Messages is how many messages the records gave, a BadRecord counted as one: the sum of the five statuses that follow, and of
	// those that were Kept in a spool.
	Messages  int `json:"messages"`
	Accepted  int `json:"accepted"`
	Rejected  int `json:"rejected"`
	Exhausted int `json:"exhausted"`
	Canceled  int `json:"canceled"`
	Invalid   int `json:"invalid"`
	Skipped   int `json:"skipped"` // records that gave none

	Requests  int   `json:"requests"`  // HTTP requests begun
	Retries   int   `json:"retries"`   // attempts at batches that had been tried before
	Throttled int   `json:"throttled"` // attempts answered 429
	BytesBody int64 `json:"bytesBody"` // bodies of requests before compression
	BytesWire int64 `json:"bytesWire"` // and after it

	DurationSeconds float64         `json:"durationSeconds"`
	Mappings        []MappingReport `json:"mappings"`

	places map[string]int
}

// A MappingReport counts the messages of one mapping.
type MappingReport struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Action    string `json:"action"`
	Enabled   bool   `json:"enabled"`
	Messages  int    `json:"messages"`
	Accepted  int    `json:"accepted"`
	Rejected  int    `json:"rejected"`
	Exhausted int    `json:"exhausted"`
	Canceled  int    `json:"canceled"`
	Invalid   int    `json:"invalid"`
}

// NewReport returns an empty report with an entry for each mapping of dest.
func NewReport(dest *Destination) *Report {
	r := &Report{Mappings: []MappingReport{}}
	if dest == nil {
		return r
	}
	for _, m := range dest.mappings {
		r.Mappings = append(r.Mappings, MappingReport{ID: m.id, Name: m.name, Action: m.kind.String(), Enabled: m.enabled})
	}
	return r
}

// Add counts a record.
func (r *Report) Add(o RecordOutcome) {
	r.Records++
	if o.Status == Skipped {
		r.Skipped++
		return
	}
	if len(o.Outcomes) > 0 && o.Outcomes[0].Mapping != "" {
		r.Matched++ // a BadRecord came to no mapping
	}
	for _, m := range o.Outcomes {
		r.Messages++
		count(m.Status, &r.Accepted, &r.Rejected, &r.Exhausted, &r.Canceled, &r.Invalid)
		if i, ok := r.place(m.Mapping); ok {
			of := &r.Mappings[i]
			of.Messages++
			count(m.Status, &of.Accepted, &of.Rejected, &of.Exhausted, &of.Canceled, &of.Invalid)
		}
	}
}

// place returns where a mapping's entry is. A report that was read from JSON goes on where it stood.
func (r *Report) place(id string) (int, bool) {
	if r.places == nil {
		r.places = make(map[string]int, len(r.Mappings))
		for i, m := range r.Mappings {
			r.places[m.ID] = i
		}
	}
	i, ok := r.places[id]
	return i, ok
}

func count(s Status, accepted, rejected, exhausted, canceled, invalid *int) {
	switch s {
	case Accepted:
		*accepted++
	case Rejected:
		*rejected++
	case Exhausted:
		*exhausted++
	case Canceled:
		*canceled++
	case Invalid:
		*invalid++
	}
}

// Finish adds what the client has counted between two looks at its Stats, and how long it took.
func (r *Report) Finish(before, after Stats, took time.Duration) {
	r.Requests += after.Requests - before.Requests
	r.Retries += after.Retries - before.Retries
	r.Throttled += after.Throttled - before.Throttled
	r.BytesBody += after.BytesBody - before.BytesBody
	r.BytesWire += after.BytesWire - before.BytesWire
	r.DurationSeconds += took.Seconds()
}

// Failed returns how many messages were not accepted.
func (r *Report) Failed() int { return r.Messages - r.Accepted }
