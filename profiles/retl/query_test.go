package retl

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
)

var (
	_ Querier = (*sql.DB)(nil)
	_ Querier = (*sql.Conn)(nil)
	_ Querier = (*sql.Tx)(nil)
)

func TestQueryRunsForEachRange(t *testing.T) {
	r := &result{columns: []fakeColumn{{name: "id"}}, rows: [][]driver.Value{{int64(1)}, {int64(2)}, {int64(3)}}}
	records := Query(t.Context(), r.open(t), "select id from t")
	if r.queries != 0 {
		t.Error("queried before the range")
	}
	for i := 1; i <= 2; i++ {
		n := 0
		for rec, err := range records {
			if n++; err != nil || rec["id"] != int64(n) {
				t.Fatalf("%v, %v", rec, err)
			}
		}
		if n != 3 || r.queries != i || r.closed != i {
			t.Errorf("%d records, %d queries, %d closed", n, r.queries, r.closed)
		}
	}
	for range records {
		break
	}
	if r.closed != 3 {
		t.Error("not closed after a break")
	}
}

func TestQueryRefused(t *testing.T) {
	r := &result{refuse: errors.New("no such table")}
	n := 0
	for rec, err := range Query(t.Context(), r.open(t), "select") {
		if n++; rec != nil || !errors.Is(err, r.refuse) {
			t.Errorf("%v, %v", rec, err)
		}
	}
	if n != 1 {
		t.Errorf("yielded %d times", n)
	}
}

func TestQueryCanceled(t *testing.T) {
	r := &result{columns: []fakeColumn{{name: "id"}}, rows: [][]driver.Value{{int64(1)}}, repeat: 1 << 30}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range Query(ctx, r.open(t), "select") {
		cancel() // the rows end as soon as database/sql has heard of it
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}
}
