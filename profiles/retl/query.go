package retl

import (
	"context"
	"database/sql"
	"iter"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// A Querier runs queries: a *sql.DB, *sql.Conn or *sql.Tx.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Query yields the rows of a query as Rows does. Each range runs the query anew, and closes it when it ends, also by a break. Several
// ranges may go on at once where db allows that, as a *sql.DB does.
//
// When ctx ends, so does the range, with the error of ctx or the driver's own for it. An error that the query itself meets is the
// driver's, as it is; for what else see Rows.
func Query(ctx context.Context, db Querier, query string, args ...any) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			yield(nil, err)
			return
		}
		Rows(rows)(yield)
	}
}
