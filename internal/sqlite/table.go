package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

// table is how records of type T are stored: each field stands in columns once, and
// every statement is made of them.
type table[T any] struct {
	name string
	// columns are those of a record; the first is its key, a string.
	columns func(*T) []column
	// missing is the error when there is no record of a key.
	missing func(key string) error
	// refused, if set, words why the database did not take a record, or returns err.
	refused func(v T, err error) error
}

// names lists the columns.
func (t table[T]) names() string {
	var names []string
	for _, c := range t.columns(new(T)) {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// places are a question mark for each column.
func (t table[T]) places() string {
	return "(?" + strings.Repeat(", ?", len(t.columns(new(T)))-1) + ")"
}

// at is where each column of v is, in the order of names.
func (t table[T]) at(v *T) []any {
	var all []any
	for _, c := range t.columns(v) {
		all = append(all, c.at)
	}
	return all
}

func (t table[T]) key() string { return t.columns(new(T))[0].name }

// put stores a record; verb is INSERT, or INSERT OR REPLACE.
func (t table[T]) put(ctx context.Context, db *sql.DB, verb string, v T) error {
	_, err := db.ExecContext(ctx, verb+" INTO "+t.name+" ("+t.names()+") VALUES "+t.places(), t.at(&v)...)
	return t.translate(ctx, v, err)
}

// get returns the record of a key.
func (t table[T]) get(ctx context.Context, db *sql.DB, key string) (T, error) {
	return t.scan(ctx, db.QueryRowContext(ctx, t.query("WHERE "+t.key()+" = ?"), key), key)
}

// list returns the records that the end of a query asks for.
func (t table[T]) list(ctx context.Context, db *sql.DB, end string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, t.query(end), args...)
	if err != nil {
		return nil, translate(ctx, err)
	}
	defer func() { _ = rows.Close() }() // Err tells what Close would
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(t.at(&v)...); err != nil {
			return nil, translate(ctx, err)
		}
		all = append(all, v)
	}
	return all, translate(ctx, rows.Err())
}

// update changes the record of a key in one transaction; the key stays. An error of
// change is returned as it is, and nothing is changed.
func (t table[T]) update(ctx context.Context, db *sql.DB, key string, change func(*T) error) (T, error) {
	var none T
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return none, translate(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	v, err := t.scan(ctx, tx.QueryRowContext(ctx, t.query("WHERE "+t.key()+" = ?"), key), key)
	if err != nil {
		return none, err
	}
	if err := change(&v); err != nil {
		return none, err
	}
	at := t.at(&v)
	*at[0].(*string) = key
	_, err = tx.ExecContext(ctx, "UPDATE "+t.name+" SET ("+t.names()+") = "+t.places()+" WHERE "+t.key()+" = ?", append(at, key)...)
	if err != nil {
		return none, t.translate(ctx, v, err)
	}
	return v, translate(ctx, tx.Commit())
}

func (t table[T]) remove(ctx context.Context, db *sql.DB, key string) error {
	_, err := db.ExecContext(ctx, "DELETE FROM "+t.name+" WHERE "+t.key()+" = ?", key)
	return translate(ctx, err)
}

func (t table[T]) query(end string) string {
	return "SELECT " + t.names() + " FROM " + t.name + " " + end
}

func (t table[T]) scan(ctx context.Context, row *sql.Row, key string) (T, error) {
	var v, none T
	err := row.Scan(t.at(&v)...)
	if errors.Is(err, sql.ErrNoRows) {
		return none, t.missing(key)
	}
	if err != nil {
		return none, translate(ctx, err)
	}
	return v, nil
}

func (t table[T]) translate(ctx context.Context, v T, err error) error {
	if err != nil && t.refused != nil {
		err = t.refused(v, err)
	}
	return translate(ctx, err)
}
