package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// openModel opens the source of a model's rows.
func openModel(ctx context.Context, o *modelOptions) (records iter.Seq2[profiles.Record, error], source io.Closer, err error) {
	if o.csv != "" {
		f, err := openCSV(o.csv)
		if err != nil {
			return nil, nil, fmt.Errorf("-csv: %w", err)
		}
		return retl.CSV(f, retl.CSVOptions{Comma: o.comma, Types: o.types}), f, nil
	}
	db, err := openSQLite(ctx, o.sqlite)
	if err != nil {
		return nil, nil, fmt.Errorf("-sqlite: %w", err)
	}
	if records, err = db.records(ctx, o.query, o.table); err != nil {
		db.Close()
		return nil, nil, fmt.Errorf("-table: %w", err)
	}
	return records, db, nil
}

func openCSV(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// watched counts rows, and ends where the first of them has no key column: no other would, and each would be a failure.
func watched(records iter.Seq2[profiles.Record, error], key string, progress func(rows int)) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		rows, known := 0, false
		for rec, err := range records {
			if err == nil && !known {
				if known = true; !has(rec, key) {
					yield(nil, fmt.Errorf("-key: there is no such column; there are %s", strings.Join(slices.Sorted(maps.Keys(rec)), ", ")))
					return
				}
			}
			rows++
			progress(rows)
			if !yield(rec, err) {
				return
			}
		}
	}
}

func has(rec profiles.Record, column string) bool {
	_, ok := rec[column]
	return ok
}
