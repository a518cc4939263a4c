package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// A sqliteFile is a SQLite database that is only read.
type sqliteFile struct {
	*sql.DB
	path string
	// whole is what the file was like where it is read as if nobody wrote to it, nil where SQLite sees to that.
	whole fs.FileInfo
}

// openSQLite opens a database without writing to it or beside it, and makes none.
func openSQLite(ctx context.Context, path string) (*sqliteFile, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a file")}
	}
	if err != nil {
		return nil, err
	}
	f := &sqliteFile{path: path}
	if err := f.lone(info); err != nil {
		return nil, err
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	full = filepath.ToSlash(full)
	if !strings.HasPrefix(full, "/") {
		full = "/" + full // C:/shop.sqlite
	}
	query := url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(10000)"}}
	if f.whole != nil {
		query.Set("immutable", "1")
	}
	uri := url.URL{Scheme: "file", Path: full, RawQuery: query.Encode()}
	if f.DB, err = sql.Open("sqlite", uri.String()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := f.tables(ctx); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// lone tells whether a database has a write-ahead log that is not there at present: to open it, SQLite would make one. It is read as a file
// that nobody writes to, then, and changed tells if somebody has.
func (f *sqliteFile) lone(info fs.FileInfo) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	var header [20]byte
	if _, err := in.ReadAt(header[:], 0); err != nil {
		return nil // too short to be a database: SQLite says so
	}
	const readsLog = 19
	if _, err := os.Stat(f.path + "-wal"); header[readsLog] == 2 && errors.Is(err, fs.ErrNotExist) {
		f.whole = info
	}
	return nil
}

// changed is an error where somebody has written to a file while it was read as if nobody did.
func (f *sqliteFile) changed() error {
	if f.whole == nil {
		return nil
	}
	info, err := os.Stat(f.path)
	if err == nil && (info.Size() != f.whole.Size() || !info.ModTime().Equal(f.whole.ModTime())) {
		err = errors.New("somebody has written to it meanwhile: run the sync again")
	}
	return err
}

// tables are the names of the tables and views.
func (f *sqliteFile) tables(ctx context.Context) ([]string, error) {
	rows, err := f.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// records are the rows of a query, or of a table.
func (f *sqliteFile) records(ctx context.Context, query, table string) (iter.Seq2[profiles.Record, error], error) {
	if query == "" {
		names, err := f.tables(ctx)
		if err != nil {
			return nil, err
		}
		is := func(name string) bool { return strings.EqualFold(name, table) }
		if table == "" || !slices.ContainsFunc(names, is) {
			what := "there is no such table"
			if table == "" {
				what = "one of -table and -query is needed"
			}
			return nil, fmt.Errorf("%s; %s has %s", what, f.path, strings.Join(names, ", "))
		}
		query = `SELECT * FROM "` + strings.ReplaceAll(table, `"`, `""`) + `"`
	}
	return func(yield func(profiles.Record, error) bool) {
		for rec, err := range retl.Query(ctx, f, query) {
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", f.path, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
		if err := f.changed(); err != nil {
			yield(nil, fmt.Errorf("%s: %w", f.path, err))
		}
	}, nil
}
