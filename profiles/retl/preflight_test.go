package retl_test

import (
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/publicapi/publicapitest"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

func TestPreflightSmoke(t *testing.T) {
	w := newWorld(t, people, nil)
	w.table(12)
	api := publicapitest.NewServer(t)
	api.AddSpace("Production", profiles.NewWriteKey("space"))
	r := w.sync().Preflight(t.Context(), retl.Preflight{CDN: api.CDN()})
	t.Log("\n" + r.String())
}
