package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// column is one field of a record. at is where the field is, a pointer or one of the
// forms below: a statement takes its value from there, and a scan puts it there.
type column struct {
	name string
	at   any
}

// moment stores a time as nanoseconds since 1970 UTC, and the zero time as 0.
type moment struct{ t *time.Time }

// Value implements driver.Valuer.
func (m moment) Value() (driver.Value, error) { return nanos(*m.t), nil }

// Scan implements sql.Scanner.
func (m moment) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T is no time", src)
	}
	*m.t = fromNanos(n)
	return nil
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// document stores what v points to as JSON.
type document struct{ v any }

// Value implements driver.Valuer.
func (d document) Value() (driver.Value, error) {
	b, err := json.Marshal(d.v)
	return string(b), err
}

// Scan implements sql.Scanner.
func (d document) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("%T is no JSON", src)
	}
	return json.Unmarshal([]byte(text), d.v)
}
