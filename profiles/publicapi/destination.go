package publicapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// maxIDLen is the length of the longest id that is asked for; Segment's own have 24 characters or fewer.
const maxIDLen = 64

// Destination returns a saved Segment Profiles destination: its name, whether it is switched on, and all its mappings. Its Region is the
// Endpoint Region of its settings, or else the client's. The id is the last part of the destination's address in the Segment app, or
// on its settings page.
//
// A mapping that names its Profile Space carries the space's write key, and needs no other; see profiles.Destination.Spaces.
//
// The error is an *Error where the API did not answer with a destination, and wraps a *profiles.DestinationError, which lists all
// problems, where the destination could not be run here.
func (c *Client) Destination(ctx context.Context, id string) (*profiles.Destination, error) {
	if !isID(id) {
		return nil, &Error{
			Call:   "GET /destinations/{id}",
			Reason: fmt.Sprintf("the id is not one: 1 to %d letters, digits, - and _", maxIDLen),
		}
	}
	path := "/destinations/" + id
	d, err := c.get(ctx, path, "", acceptV1)
	if err != nil {
		return nil, err
	}
	if d.Destination == nil {
		return nil, c.without(path, "a destination")
	}
	file := destinationFile{Name: d.Destination.Name, Enabled: d.Destination.Enabled, Region: c.regionOf(d.Destination)}
	path += "/subscriptions"
	for page, err := range c.pages(ctx, path, acceptAlpha) {
		if err == nil && page.Subscriptions == nil {
			err = c.without(path, "subscriptions")
		}
		if err != nil {
			return nil, err
		}
		file.Subscriptions = append(file.Subscriptions, page.Subscriptions...)
	}
	text, err := json.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("publicapi: destination %s: %w", id, err)
	}
	parsed, err := profiles.ParseDestination(text)
	if err != nil {
		if problems, ok := errors.AsType[*profiles.DestinationError](err); ok {
			for i := range problems.Problems {
				problems.Problems[i].Line = 0 // nobody has seen these lines
			}
		}
		return nil, fmt.Errorf("publicapi: destination %s: %w", id, err)
	}
	return parsed, nil
}

// A destinationFile is a destination in the form that profiles.ParseDestination takes.
type destinationFile struct {
	Name          string            `json:"name,omitempty"`
	Region        region.Region     `json:"region,omitzero"`
	Enabled       *bool             `json:"enabled,omitempty"`
	Subscriptions []json.RawMessage `json:"subscriptions"`
}

// regionOf returns the Endpoint Region of a destination's settings, or the client's.
func (c *Client) regionOf(d *destination) region.Region {
	name, _ := d.Settings["endpoint"].(string)
	if r, err := region.Parse(name); err == nil {
		return r
	}
	return c.region
}

func isID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return id != "" && len(id) <= maxIDLen
}
