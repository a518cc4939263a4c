package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// maxShown is how many characters of a value a dry run shows.
const maxShown = 100

// preview prints what deliver would send. Its error is why it cannot, or cannot be printed.
func (j *modelJob) preview(ctx context.Context, stdout io.Writer) error {
	events := make(map[retl.Event]int)
	changes, again, unfit := 0, 0, 0
	for c, err := range j.sync.DryRun(ctx) {
		if errors.Is(err, context.Canceled) {
			j.unfit = true
			j.screen.printf("interrupted: this is not all that would be sent")
			break
		}
		if err != nil {
			j.screen.done()
			return advised(err)
		}
		var b bytes.Buffer
		fit := writeChange(&b, c)
		if _, err := stdout.Write(b.Bytes()); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		if !fit {
			unfit++
		}
		if c.Err != nil {
			continue
		}
		changes++
		events[c.Event]++
		if c.Again {
			again++
		}
	}
	j.screen.done()
	j.unfit = j.unfit || unfit > 0
	text := fmt.Sprintf("%d rows would be sent: %d new, %d updated, %d deleted", changes, events[retl.EventNew], events[retl.EventUpdated], events[retl.EventDeleted])
	if again > 0 {
		text += fmt.Sprintf("; %d of them again", again)
	}
	if unfit > 0 {
		text += fmt.Sprintf("; %d could not be, or not by each mapping", unfit)
	}
	j.screen.printf("%s", text)
	return nil
}

// writeChange shows a row that would be sent, what each column was and is, and the mappings that would send it. It tells whether all of
// them could.
func writeChange(b *bytes.Buffer, c retl.Change) (fit bool) {
	if c.Err != nil {
		fmt.Fprintf(b, "%s cannot be sent: %v\n", orNoKey(c.Key), c.Err)
		return false
	}
	again := ""
	if c.Again {
		again = ", again"
	}
	fmt.Fprintf(b, "%s %s%s\n", c.Key, c.Event, again)
	columns := c.Columns()
	width := 0
	for _, column := range columns {
		width = max(width, utf8.RuneCountInString(column.Column))
	}
	for _, column := range columns {
		fmt.Fprintf(b, "  %-*s  %s -> %s\n", width, column.Column, shown(column.Old), shown(column.New))
	}
	var sent []string
	fit = true
	for _, m := range c.Messages {
		if m.Err == nil {
			sent = append(sent, m.Mapping.ID())
			continue
		}
		fit = false
		for _, reason := range reasons(m.Err) {
			fmt.Fprintf(b, "  mapping %s cannot send it: %s\n", m.Mapping.ID(), reason)
		}
	}
	switch {
	case len(sent) > 0:
		fmt.Fprintf(b, "  sent by %s\n", strings.Join(sent, ", "))
	case fit:
		fmt.Fprintln(b, "  no mapping matches it: nothing is sent")
	}
	return fit
}

func orNoKey(key string) string {
	if key == "" {
		return "a row without a key"
	}
	return key
}

// shown is a value as JSON, on one line and not too long.
func shown(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "?" // it was JSON
	}
	text := strings.TrimSpace(b.String())
	if utf8.RuneCountInString(text) > maxShown {
		text = string([]rune(text)[:maxShown]) + "…"
	}
	return text
}
