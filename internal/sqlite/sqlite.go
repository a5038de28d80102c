// Package sqlite keeps VMs, sessions, workspaces and operations in one SQLite
// database. Every error that leaves it is a fault, or the caller's own context's.
//
//   - sqlite.go opens the database; migrate.go and migrations/ bring it to this
//     build's schema.
//   - vms.go, sessions.go, workspaces.go and operations.go each have one store and
//     the columns of its records: a new field is one line there, and a migration.
//   - table.go makes every statement from those columns, columns.go stores times and
//     JSON in them.
//   - errors.go turns what SQLite says into faults.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// maxConns bounds the open connections. Writers take turns anyway.
const maxConns = 4

// DB is an open database. It is safe for concurrent use.
type DB struct {
	sql *sql.DB
}

// Open opens the database at path, makes it (mode 0600) if it is not there, and
// brings it to this build's schema. One that a newer build wrote is refused as
// Unavailable, a damaged one as Internal; both are left untouched.
func Open(ctx context.Context, path string) (*DB, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, translate(ctx, err)
	}
	db.SetMaxOpenConns(maxConns)
	if err := migrate(ctx, db); err != nil {
		_ = db.Close() // the first error is the one to tell
		return nil, atPath(err, path)
	}
	return &DB{sql: db}, nil
}

// dsn sets up every connection alike. A commit is synchronous: a VM's record
// must not be lost to a power cut while its disk is not.
func dsn(path string) string {
	q := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// Close closes the database. All use of it must have ended.
func (db *DB) Close() error { return db.sql.Close() }
