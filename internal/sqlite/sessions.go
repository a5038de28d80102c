package sqlite

import (
	"context"
	"database/sql"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/session"
)

// Sessions implements session.Store.
type Sessions struct {
	db *sql.DB
}

var _ session.Store = (*Sessions)(nil)

// Sessions is the store of sessions.
func (db *DB) Sessions() *Sessions { return &Sessions{db: db.sql} }

func sessionTable() table[session.Session] {
	return table[session.Session]{
		name: "sessions", columns: sessionColumns,
		missing: func(id string) error { return fault.New(fault.NotFound, "no session with the id %q", id) },
		refused: func(v session.Session, err error) error {
			if isUnique(err) {
				return fault.New(fault.Conflict, "the VM has a session named %q already", v.Name)
			}
			return err
		},
	}
}

func sessionColumns(s *session.Session) []column {
	return []column{
		{"id", &s.ID},
		{"vm_id", &s.VMID},
		{"start_id", &s.StartID},
		{"name", &s.Name},
		{"command", document{&s.Command}},
		{"mode", &s.Mode},
		{"dir", &s.Dir},
		{"user", &s.User},
		{"state", &s.State},
		{"exit_code", &s.ExitCode},
		{"signal", &s.Signal},
		{"asked", &s.Asked},
		{"last_error", &s.LastError},
		{"keep_bytes", &s.KeepBytes},
		{"stdin_bytes", &s.StdinBytes},
		{"stdout_bytes", &s.StdoutBytes},
		{"stderr_bytes", &s.StderrBytes},
		{"stdout_dropped", &s.StdoutDropped},
		{"stderr_dropped", &s.StderrDropped},
		{"created_at", moment{&s.CreatedAt}},
		{"started_at", moment{&s.StartedAt}},
		{"ended_at", moment{&s.EndedAt}},
	}
}

// Insert implements session.Store.
func (s *Sessions) Insert(ctx context.Context, sess session.Session) error {
	return sessionTable().put(ctx, s.db, "INSERT", sess)
}

// List implements session.Store.
func (s *Sessions) List(ctx context.Context, vmID string) ([]session.Session, error) {
	return sessionTable().list(ctx, s.db, "WHERE vm_id = ? ORDER BY created_at, id", vmID)
}

// Open implements session.Store.
func (s *Sessions) Open(ctx context.Context) ([]session.Session, error) {
	return sessionTable().list(ctx, s.db, "WHERE state IN ('starting', 'running') ORDER BY created_at, id")
}

// Update implements session.Store.
func (s *Sessions) Update(ctx context.Context, id string, change func(*session.Session) error) (session.Session, error) {
	return sessionTable().update(ctx, s.db, id, change)
}

// Delete implements session.Store.
func (s *Sessions) Delete(ctx context.Context, id string) error {
	return sessionTable().remove(ctx, s.db, id)
}
