package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/workspace"
)

// Workspaces implements workspace.Store. A VM's workspace goes with its record.
type Workspaces struct {
	db *sql.DB
}

var _ workspace.Store = (*Workspaces)(nil)

// Workspaces is the store of workspaces.
func (db *DB) Workspaces() *Workspaces { return &Workspaces{db: db.sql} }

const workspaceColumns = `vm_id, vault, source, path, mode, format, branch, head_commit, base_tree, prepared_at,
	exported_tree, exported_at, applied_tree, offered_id, offered_tree, tree, files, elsewhere,
	measured_at, start_id, final`

const putWorkspace = `INSERT OR REPLACE INTO workspaces (` + workspaceColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Get implements workspace.Store.
func (s *Workspaces) Get(ctx context.Context, vmID string) (workspace.Workspace, error) {
	return getWorkspace(ctx, s.db.QueryRowContext(ctx, `SELECT `+workspaceColumns+` FROM workspaces WHERE vm_id = ?`, vmID))
}

func getWorkspace(ctx context.Context, row *sql.Row) (workspace.Workspace, error) {
	w, err := scanWorkspace(row)
	if errors.Is(err, sql.ErrNoRows) {
		return w, fault.New(fault.NotFound, "no workspace was prepared in this VM").WithHint("banger vm workspace prepare")
	}
	return w, translate(ctx, err)
}

// Put implements workspace.Store.
func (s *Workspaces) Put(ctx context.Context, w workspace.Workspace) error {
	values, err := workspaceValues(w)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "store the workspace of VM %s", w.VMID)
	}
	_, err = s.db.ExecContext(ctx, putWorkspace, values...)
	return translate(ctx, err)
}

// Update implements workspace.Store.
func (s *Workspaces) Update(ctx context.Context, vmID string, change func(*workspace.Workspace) error) (workspace.Workspace, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return workspace.Workspace{}, translate(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	w, err := getWorkspace(ctx, tx.QueryRowContext(ctx, `SELECT `+workspaceColumns+` FROM workspaces WHERE vm_id = ?`, vmID))
	if err != nil {
		return w, err
	}
	if err := change(&w); err != nil {
		return w, err
	}
	w.VMID = vmID
	values, err := workspaceValues(w)
	if err != nil {
		return w, fault.Wrap(fault.Internal, err, "store the workspace of VM %s", vmID)
	}
	if _, err := tx.ExecContext(ctx, putWorkspace, values...); err != nil {
		return w, translate(ctx, err)
	}
	return w, translate(ctx, tx.Commit())
}

// List implements workspace.Store.
func (s *Workspaces) List(ctx context.Context) ([]workspace.Workspace, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+workspaceColumns+` FROM workspaces ORDER BY vm_id`)
	if err != nil {
		return nil, translate(ctx, err)
	}
	defer func() { _ = rows.Close() }() // Err tells what Close would
	var all []workspace.Workspace
	for rows.Next() {
		w, err := scanWorkspace(rows)
		if err != nil {
			return nil, translate(ctx, err)
		}
		all = append(all, w)
	}
	return all, translate(ctx, rows.Err())
}

// Delete implements workspace.Store.
func (s *Workspaces) Delete(ctx context.Context, vmID string) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM workspaces WHERE vm_id = ?`, vmID)
	return translate(ctx, err)
}

// elsewhereColumn is how a workspace.Elsewhere is stored.
type elsewhereColumn struct {
	Branches  []string `json:"branches"`
	Stashes   []string `json:"stashes"`
	WorkTrees []string `json:"work_trees"`
	Unread    bool     `json:"unread"`
}

func workspaceValues(w workspace.Workspace) ([]any, error) {
	elsewhere, err := encode(elsewhereColumn(w.Work.Elsewhere))
	return []any{
		w.VMID, w.Vault, w.Source, w.Path, string(w.Mode), w.Format, w.Branch, w.HeadCommit, w.BaseTree, nanos(w.PreparedAt),
		w.ExportedTree, nanos(w.ExportedAt), w.AppliedTree, w.Offered.ID, w.Offered.Tree,
		w.Work.Tree, w.Work.Files, elsewhere,
		nanos(w.Work.MeasuredAt), w.Work.StartID, w.Work.Final,
	}, err
}

func scanWorkspace(row interface{ Scan(...any) error }) (workspace.Workspace, error) {
	var w workspace.Workspace
	var text string
	var elsewhere elsewhereColumn
	var prepared, exported, measured int64
	err := row.Scan(
		&w.VMID, &w.Vault, &w.Source, &w.Path, &w.Mode, &w.Format, &w.Branch, &w.HeadCommit, &w.BaseTree, &prepared,
		&w.ExportedTree, &exported, &w.AppliedTree, &w.Offered.ID, &w.Offered.Tree,
		&w.Work.Tree, &w.Work.Files, &text,
		&measured, &w.Work.StartID, &w.Work.Final,
	)
	if err != nil {
		return w, err
	}
	w.PreparedAt, w.ExportedAt, w.Work.MeasuredAt = fromNanos(prepared), fromNanos(exported), fromNanos(measured)
	err = decode("elsewhere", text, &elsewhere)
	w.Work.Elsewhere = workspace.Elsewhere(elsewhere)
	return w, err
}
