package profilestest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
)

// Require ends the test unless each of the actions was sent, in any order and among any others. An action that is wanted twice has
// to have been sent twice. Everything has to be equal, but for a timestamp or a messageId that the wanted action does not have.
func (s *Sent) Require(t TB, want ...actions.Action) {
	t.Helper()
	s.require(t, want, true)
}

// RequireOnly ends the test unless exactly the actions were sent, in any order.
func (s *Sent) RequireOnly(t TB, want ...actions.Action) {
	t.Helper()
	s.require(t, want, false)
}

// RequireNone ends the test if anything was sent.
func (s *Sent) RequireNone(t TB) {
	t.Helper()
	s.require(t, nil, false)
}

func (s *Sent) require(t TB, want []actions.Action, others bool) {
	t.Helper()
	var sent []map[string]any
	for _, m := range s.Messages(t) {
		sent = append(sent, m.Fields)
	}
	taken := make([]bool, len(sent))
	var missing []map[string]any
	for i, a := range want {
		fields, err := wire(a)
		if err != nil {
			t.Fatalf("profilestest: wanted action %d could not be sent: %v", i+1, err)
		}
		if at := find(fields, sent, taken); at >= 0 {
			taken[at] = true
		} else {
			missing = append(missing, fields)
		}
	}
	var extra []map[string]any
	for i, m := range sent {
		if !taken[i] {
			extra = append(extra, m)
		}
	}
	if report := describe(missing, extra, others); report != "" {
		t.Fatalf("%s", report)
	}
}

// numbers compares numbers by value: 12.50 is 12.5. Integers are compared digit by digit.
var numbers = cmp.Comparer(sameNumber)

// find returns the place of a message that is as wanted and not taken yet, or -1.
func find(want map[string]any, sent []map[string]any, taken []bool) int {
	for i, m := range sent {
		if !taken[i] && cmp.Equal(want, reduced(want, m), numbers) {
			return i
		}
	}
	return -1
}

// reduced returns the message without what the wanted one leaves open.
func reduced(want, message map[string]any) map[string]any {
	out := make(map[string]any, len(message))
	for name, v := range message {
		if _, wanted := want[name]; !wanted && (name == "timestamp" || name == "messageId") {
			continue
		}
		out[name] = v
	}
	return out
}

// describe tells what is missing, each beside the sent message that is most like it, and what is too many.
func describe(missing, extra []map[string]any, others bool) string {
	var b strings.Builder
	for _, want := range missing {
		fmt.Fprintf(&b, "not sent: %s\n", text(want))
		if like := closest(want, extra); like != nil {
			fmt.Fprintf(&b, "most like it (-wanted +sent):\n%s\n", cmp.Diff(want, reduced(want, like), numbers))
		} else if len(extra) == 0 {
			b.WriteString("nothing else was sent\n")
		}
	}
	if !others {
		for _, m := range extra {
			fmt.Fprintf(&b, "sent, but not wanted: %s\n", text(m))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// closest returns the message of the same type with the most equal members.
func closest(want map[string]any, sent []map[string]any) map[string]any {
	var best map[string]any
	most := -1
	for _, m := range sent {
		if m["type"] != want["type"] {
			continue
		}
		equal := 0
		for name, v := range want {
			if cmp.Equal(v, m[name], numbers) {
				equal++
			}
		}
		if equal > most {
			best, most = m, equal
		}
	}
	return best
}

// wire returns the action as it is sent, without a messageId that it does not have itself.
func wire(a actions.Action) (map[string]any, error) {
	body, enc, err := actions.Append(nil, a, actions.AppendOptions{Sorted: true})
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, err
	}
	if enc.GeneratedID {
		delete(fields, "messageId")
	}
	return fields, nil
}

func text(m map[string]any) string {
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
