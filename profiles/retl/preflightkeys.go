package retl

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi"
)

// A usedKey is a write key that a sync would send to.
type usedKey struct {
	key    profiles.WriteKey
	of     string // the mappings that name it; empty for the client's own
	exists bool
	err    error // why that is not known
}

// name says which key it is.
func (k *usedKey) name() string {
	if k.of == "" {
		return "the client's write key"
	}
	return "the write key of " + quoted(k.of)
}

// usedKeys are the client's own, and those of the mappings, each once.
func (f *preflight) usedKeys() (keys []*usedKey) {
	if own := f.client.WriteKey; !own.IsZero() {
		keys = append(keys, &usedKey{key: own})
	}
	ids := make(map[profiles.WriteKey][]string)
	for _, m := range f.mappings() {
		key := m.Space()
		if key.IsZero() || key == f.client.WriteKey {
			continue
		}
		if ids[key] == nil {
			keys = append(keys, &usedKey{key: key})
		}
		ids[key] = append(ids[key], cutName(m.ID()))
	}
	for _, k := range keys {
		if of := ids[k.key]; len(of) > 0 {
			k.of = strings.Join(of, ", ")
		}
	}
	return keys
}

// atOnce is how many write keys are asked for at the same time.
const atOnce = 4

// keys checks the write keys: whether they exist, and whether they are those of Profile Spaces.
func (f *preflight) keys() {
	keys := f.usedKeys()
	if len(keys) == 0 {
		found := "there is no write key that is known before the rows are"
		f.add(CheckWriteKey, "", VerdictNotChecked, found, "Mappings that look their Profile Space up in each row cannot be checked.")
		f.add(CheckSpace, "", VerdictNotChecked, found, "")
		return
	}
	slots := make(chan struct{}, atOnce)
	var asked sync.WaitGroup
	for _, k := range keys {
		if f.SkipWriteKeys {
			continue
		}
		asked.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := f.within()
			defer cancel()
			k.exists, k.err = f.CDN.CheckWriteKey(ctx, k.key)
		})
	}
	asked.Wait()
	for _, k := range keys {
		bad := k.key.Err()
		switch {
		case bad != nil:
			f.add(CheckWriteKey, k.of, VerdictProblem, k.name()+": "+bad.Error(), "Copy the write key from the settings of the Profile Space's source.")
		case f.SkipWriteKeys:
			f.add(CheckWriteKey, k.of, VerdictNotChecked, "whether "+k.name()+" exists was not asked for, as was wanted", "")
		case k.err != nil:
			f.add(CheckWriteKey, k.of, VerdictNotChecked, "whether "+k.name()+" exists could not be asked: "+words(k.err), "").Err = k.err
		case !k.exists:
			f.add(CheckWriteKey, k.of, VerdictProblem, "no source at Segment has "+k.name(),
				"Copy the write key from the settings of the Profile Space's source. One that was just made is known after some minutes, and that of a source that is switched off may not be.")
		default:
			f.ok(CheckWriteKey, k.of, "%s exists; whether it is that of a Profile Space of this region, see %s", k.name(), CheckSpace)
		}
	}
	f.spaces(keys)
}

// A spaceList is what a Public API says of the Profile Spaces of its workspace.
type spaceList struct {
	spaces []publicapi.Space
	hidden int // those whose write key the token may not see
	err    error
}

func (f *preflight) list(api *publicapi.Client) *spaceList {
	if api == nil {
		return nil
	}
	ctx, cancel := f.within()
	defer cancel()
	l := new(spaceList)
	for space, err := range api.Spaces(ctx) {
		if err != nil {
			return &spaceList{err: err}
		}
		l.spaces = append(l.spaces, space)
		if space.Key.IsZero() {
			l.hidden++
		}
	}
	return l
}

// find returns the Profile Space of a write key.
func (l *spaceList) find(key profiles.WriteKey) (publicapi.Space, bool) {
	if l != nil {
		for _, space := range l.spaces {
			if space.Key == key {
				return space, true
			}
		}
	}
	return publicapi.Space{}, false
}

// spaces checks that the keys are those of Profile Spaces.
func (f *preflight) spaces(keys []*usedKey) {
	if f.API == nil && f.OtherAPI == nil {
		f.add(CheckSpace, "", VerdictNotChecked, "whether a write key is that of a Profile Space, and of this region, only the Public API tells",
			"Set Preflight.API, with a token that has the role Source Admin. Without one, compare the region in the workspace's settings yourself.")
		return
	}
	here := f.list(f.API)
	if here != nil && here.err != nil {
		f.add(CheckSpace, "", VerdictNotChecked, "the Profile Spaces could not be listed: "+words(here.err), refusedAdvice(here.err)).Err = here.err
	}
	var other *spaceList
	for _, k := range keys {
		if space, ok := here.find(k.key); ok {
			if !space.Enabled {
				f.add(CheckSpace, k.of, VerdictProblem, fmt.Sprintf("the source of the Profile Space %s is switched off: what is sent to it is dropped", quoted(space.Name)), "Enable the source.")
				continue
			}
			f.ok(CheckSpace, k.of, "%s is that of the Profile Space %s", k.name(), quoted(space.Name))
			continue
		}
		if other == nil {
			other = f.list(f.OtherAPI)
		}
		f.unlisted(k, here, other)
	}
	f.named(keys, here)
}

func refusedAdvice(err error) string {
	if errors.Is(err, publicapi.ErrUnauthorized) || errors.Is(err, publicapi.ErrForbidden) {
		return "Check the Public API's token: one of another region is not known, and the role has to be Source Admin. If the token is that of the workspace, the client is of the wrong region."
	}
	return ""
}

// unlisted says what it means that a key is of no Profile Space of the workspace.
func (f *preflight) unlisted(k *usedKey, here, other *spaceList) {
	if space, ok := other.find(k.key); ok {
		f.add(CheckSpace, k.of, VerdictProblem, fmt.Sprintf("%s is that of the Profile Space %s in the other region", k.name(), quoted(space.Name)),
			"Set the client's Region, and the destination's Endpoint Region, to the other one.")
		return
	}
	elsewhere := ""
	if other != nil && other.err != nil {
		elsewhere = "; those of the other region could not be listed: " + words(other.err)
	} else if other != nil {
		elsewhere = ", nor one of the other region's"
	}
	switch {
	case here == nil:
		f.add(CheckSpace, k.of, VerdictNotChecked, k.name()+" is not known to be among the Profile Spaces: those of this region were not asked for"+elsewhere, "Set Preflight.API.")
	case here.err != nil: // told once for all keys
	case len(here.spaces) == 0:
		f.add(CheckSpace, k.of, VerdictWarning, "the Public API's token sees no Profile Space"+elsewhere, "Check that the token is of the right workspace and region, and may see the sources of Unify.")
	case here.hidden == len(here.spaces):
		f.add(CheckSpace, k.of, VerdictNotChecked, fmt.Sprintf("the Public API shows the token none of the write keys of its %s%s", count(here.hidden, "Profile Space"), elsewhere), "Take a token with the role Source Admin.")
	case here.hidden > 0:
		f.add(CheckSpace, k.of, VerdictWarning, fmt.Sprintf("%s is none of those that the token sees, and it does not see those of %s%s", k.name(), count(here.hidden, "Profile Space"), elsewhere), "Take a token with the role Source Admin for all sources.")
	default:
		f.add(CheckSpace, k.of, VerdictProblem, fmt.Sprintf("%s is that of none of the workspace's %s%s", k.name(), count(len(here.spaces), "Profile Space"), elsewhere),
			"One of these is so: the workspace is in the other region; or the key is that of a source that is not a Profile Space; or the token is of another workspace.")
	}
}

// named checks that the key is that of the Profile Space that was meant.
func (f *preflight) named(keys []*usedKey, here *spaceList) {
	if f.Space == "" || here != nil && here.err != nil {
		return
	}
	if here == nil {
		f.add(CheckSpace, "", VerdictNotChecked, "which write key the Profile Space "+quoted(f.Space)+" has was not asked for", "Set Preflight.API.")
		return
	}
	ctx, cancel := f.within()
	defer cancel()
	space, err := f.API.Space(ctx, f.Space)
	var failure *publicapi.SpaceError
	switch {
	case errors.Is(err, publicapi.ErrNoWriteKey) || err != nil && !errors.As(err, &failure):
		f.add(CheckSpace, "", VerdictNotChecked, strings.TrimPrefix(words(err), "publicapi: "), refusedAdvice(err)).Err = err
		return
	case err != nil:
		f.add(CheckSpace, "", VerdictProblem, strings.TrimPrefix(words(err), "publicapi: "), "Name one of the workspace's Profile Spaces, by its id where several have the name.").Err = err
		return
	}
	if f.client.WriteKey.IsZero() {
		for _, k := range keys {
			if k.key == space.Key {
				f.ok(CheckSpace, "", "the Profile Space %s is one of the mappings'", quoted(f.Space))
				return
			}
		}
		f.add(CheckSpace, "", VerdictProblem, "no mapping sends to the Profile Space "+quoted(f.Space), "Set the mappings' Profile Space, or the client's WriteKey.")
		return
	}
	if space.Key != f.client.WriteKey {
		is := "another"
		if actual, ok := here.find(f.client.WriteKey); ok {
			is = "that of " + quoted(actual.Name)
		}
		f.add(CheckSpace, "", VerdictProblem, fmt.Sprintf("the client's write key is not that of the Profile Space %s, but %s", quoted(f.Space), is), "Set the client's WriteKey to that of the space that is meant.")
		return
	}
	f.ok(CheckSpace, "", "the client's write key is that of the Profile Space %s, as it was meant", quoted(f.Space))
}
