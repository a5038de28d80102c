package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Operations implements operation.Store.
type Operations struct {
	db *sql.DB
}

var _ operation.Store = (*Operations)(nil)

const operationColumns = `id, kind, subject, state, stages, code, message, hint, result, created_at, ended_at`

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

// Save implements operation.Store.
func (s *Operations) Save(ctx context.Context, op operation.Operation) error {
	records := make([]stageRecord, len(op.Stages))
	for i, st := range op.Stages {
		records[i] = stageRecord{
			Name: st.Name, State: string(st.State), Detail: st.Detail, Done: st.Done, Total: st.Total, Unit: st.Unit,
			Started: nanos(st.StartedAt), Ended: nanos(st.EndedAt),
		}
	}
	stages, err := encode(records)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "store operation %s", op.ID)
	}
	hint, err := encode(op.Hint)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "store operation %s", op.ID)
	}
	_, err = s.db.ExecContext(ctx, `INSERT OR REPLACE INTO operations (`+operationColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		op.ID, op.Kind, op.Subject, string(op.State), stages, op.Code, op.Message, hint, string(op.Result),
		nanos(op.CreatedAt), nanos(op.EndedAt))
	return translate(ctx, err)
}

// Get implements operation.Store.
func (s *Operations) Get(ctx context.Context, id string) (operation.Operation, error) {
	op, err := scanOperation(s.db.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return op, fault.New(fault.NotFound, "no operation with the id %q", id).
			WithHint("only the newest operations are kept")
	}
	return op, translate(ctx, err)
}

// List implements operation.Store.
func (s *Operations) List(ctx context.Context) ([]operation.Operation, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+operationColumns+` FROM operations ORDER BY created_at DESC, id DESC`)
	if err != nil {
		return nil, translate(ctx, err)
	}
	defer func() { _ = rows.Close() }() // Err tells what Close would
	var ops []operation.Operation
	for rows.Next() {
		op, err := scanOperation(rows)
		if err != nil {
			return nil, translate(ctx, err)
		}
		ops = append(ops, op)
	}
	return ops, translate(ctx, rows.Err())
}

// Prune implements operation.Store.
func (s *Operations) Prune(ctx context.Context, keep int) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM operations WHERE id IN (
		SELECT id FROM operations WHERE ended_at != 0 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?)`, keep)
	return translate(ctx, err)
}

func scanOperation(row interface{ Scan(...any) error }) (operation.Operation, error) {
	var op operation.Operation
	var stages, hint, result string
	var created, ended int64
	err := row.Scan(&op.ID, &op.Kind, &op.Subject, &op.State, &stages, &op.Code, &op.Message, &hint, &result, &created, &ended)
	if err != nil {
		return operation.Operation{}, err
	}
	if result != "" {
		op.Result = json.RawMessage(result)
	}
	var records []stageRecord
	if err := decode("stages", stages, &records); err != nil {
		return operation.Operation{}, err
	}
	for _, r := range records {
		op.Stages = append(op.Stages, operation.Stage{
			Name: r.Name, State: operation.StageState(r.State), Detail: r.Detail, Done: r.Done, Total: r.Total, Unit: r.Unit,
			StartedAt: fromNanos(r.Started), EndedAt: fromNanos(r.Ended),
		})
	}
	if err := decode("hint", hint, &op.Hint); err != nil {
		return operation.Operation{}, err
	}
	op.CreatedAt, op.EndedAt = fromNanos(created), fromNanos(ended)
	return op, nil
}
