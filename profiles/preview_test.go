package profiles_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/actions"
	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

func TestPreviewShowsWhatWouldBeSent(t *testing.T) {
	d := parse(t, `{"mappings":[
		{"id":"plain","action":"sendIdentify","trigger":"type = \"identify\"","fields":{"engage_space":"plain-write-key","user_id":{"@path":"$.userId"},"message_id":"m1","traits":{"a":{"@path":"$.traits.a"}}}},
		{"id":"looked-up","action":"sendIdentify","trigger":"type = \"identify\"","fields":{"engage_space":{"@path":"$.context.key"},"user_id":{"@path":"$.userId"},"message_id":"m2"}},
		{"id":"broken","action":"sendGroup","trigger":"type = \"identify\"","fields":{"traits":"x"}}]}`)
	p := d.Preview(record(t, `{"type":"identify","userId":"u1","traits":{"a":9007199254740993},"context":{"key":"looked-up-write-key"}}`), 0)
	if p.Skip != profiles.NotSkipped || len(p.Messages) != 3 {
		t.Fatalf("preview %+v", p)
	}
	const want = `{"context":{"consent":{}},"integrations":{"All":false},"messageId":"m1","traits":{"a":9007199254740993},"type":"identify","userId":"u1"}`
	if got := string(p.Messages[0].Message); got != want {
		t.Errorf("message\n%s\nwant\n%s", got, want)
	}
	var fields *actions.Error
	if broken := p.Messages[2]; broken.Message != nil || !errors.As(broken.Err, &fields) || len(fields.Fields) != 3 {
		t.Errorf("the broken mapping previews as %v, %v", broken.Message, broken.Err)
	}
	for i, m := range p.Messages[:2] {
		if m.Err != nil || m.Fields["engage_space"] != "[write key]" {
			t.Errorf("message %d: %v, Profile Space shown as %v", i, m.Err, m.Fields["engage_space"])
		}
	}
	if dump := fmt.Sprintf("%+v %#v", p, p.Messages); strings.Contains(dump, "plain-write-key") || strings.Contains(dump, "looked-up-write-key") {
		t.Errorf("the preview shows a key: %s", dump)
	}
	if p := d.Preview(record(t, `{"type":"track"}`), 0); p.Skip != profiles.SkipNoMapping || len(p.Messages) != 0 {
		t.Errorf("a record that nothing matches previews as %+v", p)
	}
}
