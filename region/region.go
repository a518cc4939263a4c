// Package region knows Segment's two regions and the endpoints of each, and normalises the base URLs that users set in their
// place.
//
// A workspace, and every write key in it, belongs to one region. Events sent to the other region's endpoint may be answered
// with 200 and never appear, which is why the zero value is no region: whoever needs one has to be told.
package region

import "strconv"

// A Region is one of Segment's regions. The zero value is none.
type Region uint8

const (
	// NorthAmerica is north_america in Segment's settings, where most workspaces are.
	NorthAmerica Region = iota + 1
	// Europe is europe in Segment's settings: workspaces in the EU, in Dublin.
	Europe
)

var names = [...]string{NorthAmerica: "north_america", Europe: "europe"}

// Parse returns the region of a name, north_america or europe, as Segment's settings have them. Any other text is a
// *NameError.
func Parse(name string) (Region, error) {
	for r := NorthAmerica; r.Valid(); r++ {
		if names[r] == name {
			return r, nil
		}
	}
	return 0, &NameError{}
}

// A NameError tells that a text is not the name of a region. It does not hold the text.
type NameError struct{}

// Error names the regions that there are.
func (*NameError) Error() string { return "region is neither north_america nor europe" }

// Valid tells whether r is one of the regions; the zero value is not.
func (r Region) Valid() bool { return r >= NorthAmerica && int(r) < len(names) }

// String returns the region's name as Segment's settings have it, and a placeholder for what is no region.
func (r Region) String() string {
	switch {
	case r == 0:
		return "no region"
	case r.Valid():
		return names[r]
	}
	return "Region(" + strconv.Itoa(int(r)) + ")"
}

// MarshalText returns the region's name, nothing for the zero value, and a *NameError for a value that is no region.
func (r Region) MarshalText() ([]byte, error) {
	switch {
	case r == 0:
		return []byte{}, nil
	case r.Valid():
		return []byte(names[r]), nil
	}
	return nil, &NameError{}
}

// UnmarshalText takes what MarshalText returns: a region's name, or nothing for the zero value. Any other text is a
// *NameError and leaves r as it was.
func (r *Region) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = 0
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

type endpoints struct{ tracking, publicAPI, cdn, oauth string }

var known = [...]endpoints{
	NorthAmerica: {
		tracking:  "https://api.segment.io/v1",
		publicAPI: "https://api.segmentapis.com",
		cdn:       "https://cdn.segment.com/v1",
		oauth:     "https://oauth2.segment.io",
	},
	Europe: {
		tracking:  "https://events.eu1.segmentapis.com/v1",
		publicAPI: "https://eu1.api.segmentapis.com",
		cdn:       "https://cdn.segment.com/v1",
		oauth:     "https://oauth2.eu1.segmentapis.com",
	},
}

func (r Region) endpoints() endpoints {
	if !r.Valid() {
		return endpoints{}
	}
	return known[r]
}

// Tracking returns the base URL of the region's Tracking API, /v1 included and without a slash at its end; "" where r is no
// region.
func (r Region) Tracking() string { return r.endpoints().tracking }

// PublicAPI returns the base URL of the region's Public API, without a slash at its end; "" where r is no region.
func (r Region) PublicAPI() string { return r.endpoints().publicAPI }

// CDN returns the base URL under which the settings of sources are published, /v1 included; it is the same for both
// regions, and "" where r is no region.
func (r Region) CDN() string { return r.endpoints().cdn }

// OAuth returns the base URL of the region's OAuth token server, without a slash at its end; "" where r is no region.
func (r Region) OAuth() string { return r.endpoints().oauth }
