package sqlite

import (
	"context"
	"database/sql"

	"github.com/bangervm/banger/internal/act"
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

func workspaceTable() table[workspace.Workspace] {
	return table[workspace.Workspace]{name: "workspaces", columns: workspaceColumns, missing: func(vmID string) error {
		return fault.New(fault.NotFound, "no workspace was prepared in this VM").Try(act.WorkspacePrepare.On(vmID))
	}}
}

func workspaceColumns(w *workspace.Workspace) []column {
	return []column{
		{"vm_id", &w.VMID},
		{"vault", &w.Vault},
		{"source", &w.Source},
		{"path", &w.Path},
		{"mode", &w.Mode},
		{"format", &w.Format},
		{"branch", &w.Branch},
		{"head_commit", &w.HeadCommit},
		{"base_tree", &w.BaseTree},
		{"prepared_at", moment{&w.PreparedAt}},
		{"exported_tree", &w.ExportedTree},
		{"exported_at", moment{&w.ExportedAt}},
		{"applied_tree", &w.AppliedTree},
		{"offered_id", &w.Offered.ID},
		{"offered_tree", &w.Offered.Tree},
		{"tree", &w.Work.Tree},
		{"files", &w.Work.Files},
		{"elsewhere", document{(*elsewhereColumn)(&w.Work.Elsewhere)}},
		{"measured_at", moment{&w.Work.MeasuredAt}},
		{"start_id", &w.Work.StartID},
		{"final", &w.Work.Final},
	}
}

// elsewhereColumn is how a workspace.Elsewhere is stored.
type elsewhereColumn struct {
	Branches  []string `json:"branches"`
	Stashes   []string `json:"stashes"`
	WorkTrees []string `json:"work_trees"`
	Unread    bool     `json:"unread"`
}

// Get implements workspace.Store.
func (s *Workspaces) Get(ctx context.Context, vmID string) (workspace.Workspace, error) {
	return workspaceTable().get(ctx, s.db, vmID)
}

// Put implements workspace.Store.
func (s *Workspaces) Put(ctx context.Context, w workspace.Workspace) error {
	return workspaceTable().put(ctx, s.db, "INSERT OR REPLACE", w)
}

// Update implements workspace.Store.
func (s *Workspaces) Update(ctx context.Context, vmID string, change func(*workspace.Workspace) error) (workspace.Workspace, error) {
	return workspaceTable().update(ctx, s.db, vmID, change)
}

// List implements workspace.Store.
func (s *Workspaces) List(ctx context.Context) ([]workspace.Workspace, error) {
	return workspaceTable().list(ctx, s.db, "ORDER BY vm_id")
}

// Delete implements workspace.Store.
func (s *Workspaces) Delete(ctx context.Context, vmID string) error {
	return workspaceTable().remove(ctx, s.db, vmID)
}
