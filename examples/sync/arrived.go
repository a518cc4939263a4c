package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/transport/transporttest"
)

// writeArrived tells what the program's own Tracking API was sent: counts, and where the data is the sample's own, the data.
func writeArrived(w io.Writer, server *transporttest.Server, data bool) {
	stats := server.Stats()
	fmt.Fprintf(w, "\nArrived at the Tracking API on loopback (nothing has left this machine):\n")
	if stats.Duplicates+stats.Dropped > 0 {
		fmt.Fprintf(w, "  %d events were duplicates, %d were dropped\n", stats.Duplicates, stats.Dropped)
	}
	for _, key := range server.Spaces() {
		space := server.Space(key)
		people := space.Profiles()
		slices.SortFunc(people, func(a, b transporttest.Profile) int { return cmp.Compare(a.ID, b.ID) })
		groups := groupIDs(space)
		events, subscriptions := 0, 0
		for _, p := range people {
			events += len(p.Events)
			subscriptions += len(p.Subscriptions)
		}
		fmt.Fprintf(w, "  Profile Space: profiles %d, groups %d, events %d, subscriptions %d\n", len(people), len(groups), events, subscriptions)
		if !data {
			continue
		}
		for _, p := range people {
			writeProfile(w, p)
		}
		for _, id := range groups {
			writeGroup(w, space.Group(id))
		}
	}
}

// groupIDs returns the ids of the groups that group calls have made, sorted.
func groupIDs(space transporttest.Space) []string {
	ids := make(map[string]bool)
	for _, e := range space.Events() {
		if e.Type == "group" && e.Status == transporttest.EventKept {
			ids[e.GroupID] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

func writeGroup(w io.Writer, g transporttest.Group) {
	fmt.Fprintf(w, "  group %s\n", g.ID)
	fmt.Fprintf(w, "    traits    %s\n", pairs(g.Traits))
	fmt.Fprintf(w, "    members   %s\n", strings.Join(slices.Sorted(slices.Values(g.Members)), ", "))
}

func writeProfile(w io.Writer, p transporttest.Profile) {
	fmt.Fprintf(w, "  profile %s\n", p.ID)
	if len(p.Traits) > 0 {
		fmt.Fprintf(w, "    traits    %s\n", pairs(p.Traits))
	}
	for _, s := range p.Subscriptions {
		fmt.Fprintf(w, "    consent   %s %s %s", s.Channel, s.Key, s.Status)
		for _, group := range slices.Sorted(maps.Keys(s.Groups)) {
			fmt.Fprintf(w, ", %s %s", group, s.Groups[group])
		}
		fmt.Fprintln(w)
	}
	for _, e := range p.Events {
		properties, _ := e.Message["properties"].(map[string]any)
		fmt.Fprintf(w, "    event     %s %s\n", e.Name, pairs(properties))
	}
}

// pairs writes an object's members in the order of their names.
func pairs(object map[string]any) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		var value bytes.Buffer
		enc := json.NewEncoder(&value)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(object[name]); err != nil {
			continue // what came as JSON goes as JSON
		}
		parts = append(parts, name+"="+strings.TrimSpace(value.String()))
	}
	return strings.Join(parts, " ")
}
