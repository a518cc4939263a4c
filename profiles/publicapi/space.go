package publicapi

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// spaceSlug is the kind of source that a Profile Space has.
const spaceSlug = "personas-compute"

// A Space is a Profile Space, as its source in the workspace shows it. The name is the source's: one that was given to the space in its
// settings later does not show here, nor in the Profile Space field of a mapping.
type Space struct {
	// Name is what the Profile Space field of a mapping shows. Several may have the same.
	Name string
	// ID and Slug are the source's.
	ID, Slug string
	// Enabled tells whether the source is switched on. One that is not takes no messages.
	Enabled bool
	// Key is the write key: what profiles.Config.WriteKey, profiles.Client.Space and engage_space take. It is zero where the token
	// lacks the role Source Admin.
	Key profiles.WriteKey
}

// Spaces gives the workspace's Profile Spaces, each once, in the order in which the API lists them. It asks for a page of sources at
// a time, when it is needed; it can be used again, and asks again then. An error is given last, with a zero Space: an *Error.
func (c *Client) Spaces(ctx context.Context) iter.Seq2[Space, error] {
	const path = "/sources"
	return func(yield func(Space, error) bool) {
		seen := map[string]bool{} // an entry moves to the next page where one is added meanwhile
		for page, err := range c.pages(ctx, path, acceptV1) {
			if err == nil && page.Sources == nil {
				err = c.without(path, "sources")
			}
			if err != nil {
				yield(Space{}, err)
				return
			}
			for _, s := range page.Sources {
				if s.Metadata.Slug != spaceSlug || s.ID != "" && seen[s.ID] {
					continue
				}
				seen[s.ID] = true
				if !yield(s.space(), nil) {
					return
				}
			}
		}
	}
}

func (s source) space() Space {
	space := Space{Name: s.Name, ID: s.ID, Slug: s.Slug, Enabled: s.Enabled}
	for _, key := range s.WriteKeys {
		if key.Err() == nil { // what is blotted out is no key
			space.Key = key
			break
		}
	}
	return space
}

// Space returns the Profile Space of a name, exactly as it is written; or, where none has that name, the one of that slug or id. It
// has a write key.
//
// The error is a *SpaceError where there is no such space (ErrNotFound), there are several (ErrAmbiguous), or the token may not see
// the write key (ErrNoWriteKey), and an *Error where the API could not be asked.
func (c *Client) Space(ctx context.Context, name string) (Space, error) {
	failure := &SpaceError{Name: name}
	var named, other []Space
	for s, err := range c.Spaces(ctx) {
		if err != nil {
			return Space{}, err
		}
		failure.Spaces++
		if len(failure.Names) < MaxSpaceNames {
			failure.Names = append(failure.Names, s.Name)
		}
		switch {
		case name == "": // matches nothing
		case s.Name == name:
			named = append(named, s)
		case s.Slug == name, s.ID == name:
			other = append(other, s)
		}
	}
	found := named
	if len(found) == 0 {
		found = other
	}
	switch {
	case len(found) == 0:
		failure.Err = ErrNotFound
	case len(found) > 1:
		failure.Err = ErrAmbiguous
		for _, s := range found {
			failure.IDs = append(failure.IDs, s.ID)
		}
	case found[0].Key.IsZero():
		failure.Err = ErrNoWriteKey
		failure.IDs = []string{found[0].ID}
	default:
		return found[0], nil
	}
	return Space{}, failure
}

// MaxSpaceNames is how many names a SpaceError holds at most.
const MaxSpaceNames = 10

// A SpaceError is why Client.Space found no Profile Space that can be used. errors.Is knows it as its Err.
type SpaceError struct {
	// Name is what was looked for.
	Name string
	// Spaces is how many Profile Spaces the token sees, and Names the first MaxSpaceNames of their names.
	Spaces int
	Names  []string
	// IDs are the ids of the spaces that were found, where there are several or the one has no write key.
	IDs []string
	// Err is ErrNotFound, ErrAmbiguous or ErrNoWriteKey.
	Err error
}

// Error tells what was looked for and what can be done. It shows names and ids of spaces, cut where they are long.
func (e *SpaceError) Error() string {
	text := "publicapi: Profile Space " + quote(e.Name) + ": "
	switch e.Err {
	case ErrAmbiguous:
		return text + fmt.Sprintf("%d spaces are called so: give the id of one: %s", len(e.IDs), quoteAll(e.IDs, len(e.IDs)))
	case ErrNoWriteKey:
		return text + "the API shows no write key of it: the token needs the role Source Admin"
	}
	if e.Spaces == 0 {
		return text + "the token sees no Profile Space: check that it is of the right workspace, and may see the sources of Unify"
	}
	return text + fmt.Sprintf("there is none of this name, slug or id among the %d that the token sees: %s", e.Spaces, quoteAll(e.Names, e.Spaces))
}

// Unwrap returns Err.
func (e *SpaceError) Unwrap() error { return e.Err }

func quote(text string) string { return strconv.Quote(call{}.clean(text)) }

// quoteAll lists texts, the first of so many.
func quoteAll(texts []string, of int) string {
	shown := slices.Clone(texts[:min(len(texts), MaxSpaceNames)])
	for i, text := range shown {
		shown[i] = quote(text)
	}
	list := strings.Join(shown, ", ")
	if of > len(shown) {
		list += fmt.Sprintf(" and %d more", of-len(shown))
	}
	return list
}
