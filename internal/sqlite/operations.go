package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Operations implements operation.Store.
type Operations struct {
	db *sql.DB
}

var _ operation.Store = (*Operations)(nil)

// Operations is the store of operations.
func (db *DB) Operations() *Operations { return &Operations{db: db.sql} }

func operationTable() table[operation.Operation] {
	return table[operation.Operation]{name: "operations", columns: operationColumns, missing: func(id string) error {
		return fault.New(fault.NotFound, "no operation with the id %q", id).
			WithHint("only the newest operations are kept")
	}}
}

func operationColumns(op *operation.Operation) []column {
	return []column{
		{"id", &op.ID},
		{"kind", &op.Kind},
		{"subject", &op.Subject},
		{"state", &op.State},
		{"stages", stages{&op.Stages}},
		{"code", &op.Code},
		{"message", &op.Message},
		{"hint", document{&op.Hint}},
		{"result", result{&op.Result}},
		{"created_at", moment{&op.CreatedAt}},
		{"ended_at", moment{&op.EndedAt}},
	}
}

// Save implements operation.Store.
func (s *Operations) Save(ctx context.Context, op operation.Operation) error {
	return operationTable().put(ctx, s.db, "INSERT OR REPLACE", op)
}

// Get implements operation.Store.
func (s *Operations) Get(ctx context.Context, id string) (operation.Operation, error) {
	return operationTable().get(ctx, s.db, id)
}

// List implements operation.Store.
func (s *Operations) List(ctx context.Context) ([]operation.Operation, error) {
	return operationTable().list(ctx, s.db, "ORDER BY created_at DESC, id DESC")
}

// Prune implements operation.Store.
func (s *Operations) Prune(ctx context.Context, keep int) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM operations WHERE id IN (
		SELECT id FROM operations WHERE ended_at != 0 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?)`, keep)
	return translate(ctx, err)
}

// result stores JSON as it is, and none as empty text.
type result struct{ v *json.RawMessage }

// Value implements driver.Valuer.
func (r result) Value() (driver.Value, error) { return string(*r.v), nil }

// Scan implements sql.Scanner.
func (r result) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("%T is no text", src)
	}
	if *r.v = nil; text != "" {
		*r.v = json.RawMessage(text)
	}
	return nil
}

// stages stores an operation's stages as JSON.
type stages struct{ v *[]operation.Stage }

// stageRecord is a stage as the column stages holds it.
type stageRecord struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Detail  string `json:"detail,omitempty"`
	Done    int64  `json:"done,omitempty"`
	Total   int64  `json:"total,omitempty"`
	Unit    string `json:"unit,omitempty"`
	Started int64  `json:"started"`
	Ended   int64  `json:"ended,omitempty"`
}

// Value implements driver.Valuer.
func (s stages) Value() (driver.Value, error) {
	records := make([]stageRecord, len(*s.v))
	for i, st := range *s.v {
		records[i] = stageRecord{
			Name: st.Name, State: string(st.State), Detail: st.Detail, Done: st.Done, Total: st.Total, Unit: st.Unit,
			Started: nanos(st.StartedAt), Ended: nanos(st.EndedAt),
		}
	}
	return document{records}.Value()
}

// Scan implements sql.Scanner.
func (s stages) Scan(src any) error {
	var records []stageRecord
	if err := (document{&records}).Scan(src); err != nil {
		return err
	}
	for _, r := range records {
		*s.v = append(*s.v, operation.Stage{
			Name: r.Name, State: operation.StageState(r.State), Detail: r.Detail, Done: r.Done, Total: r.Total, Unit: r.Unit,
			StartedAt: fromNanos(r.Started), EndedAt: fromNanos(r.Ended),
		})
	}
	return nil
}
