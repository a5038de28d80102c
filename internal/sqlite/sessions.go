package sqlite

import (
	"context"
	"database/sql"
	"errors"

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

const sessionColumns = `id, vm_id, start_id, name, command, mode, dir, user, state, exit_code, signal, last_error, keep_bytes,
	stdin_bytes, stdout_bytes, stderr_bytes, stdout_dropped, stderr_dropped, created_at, started_at, ended_at`

// Insert implements session.Store.
func (s *Sessions) Insert(ctx context.Context, sess session.Session) error {
	values, err := sessionValues(sess)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "store session %s", sess.Name)
	}
	_, err = s.db.ExecContext(ctx, `INSERT INTO sessions (`+sessionColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, values...)
	if isUnique(err) {
		return fault.New(fault.Conflict, "the VM has a session named %q already", sess.Name)
	}
	return translate(ctx, err)
}

// List implements session.Store.
func (s *Sessions) List(ctx context.Context, vmID string) ([]session.Session, error) {
	return s.query(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE vm_id = ? ORDER BY created_at, id`, vmID)
}

// Open implements session.Store.
func (s *Sessions) Open(ctx context.Context) ([]session.Session, error) {
	return s.query(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE state IN ('starting', 'running') ORDER BY created_at, id`)
}

func (s *Sessions) query(ctx context.Context, query string, args ...any) ([]session.Session, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, translate(ctx, err)
	}
	defer func() { _ = rows.Close() }() // Err tells what Close would
	var all []session.Session
	for rows.Next() {
		sess, err := scanSession(rows)
		if err != nil {
			return nil, translate(ctx, err)
		}
		all = append(all, sess)
	}
	return all, translate(ctx, rows.Err())
}

// Update implements session.Store.
func (s *Sessions) Update(ctx context.Context, id string, change func(*session.Session) error) (session.Session, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return session.Session{}, translate(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	sess, err := scanSession(tx.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return session.Session{}, fault.New(fault.NotFound, "no session with the id %q", id)
	}
	if err != nil {
		return session.Session{}, translate(ctx, err)
	}
	if err := change(&sess); err != nil {
		return session.Session{}, err
	}
	sess.ID = id
	values, err := sessionValues(sess)
	if err != nil {
		return session.Session{}, fault.Wrap(fault.Internal, err, "store session %s", sess.Name)
	}
	_, err = tx.ExecContext(ctx, `UPDATE sessions SET (`+sessionColumns+`) =
		(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`, append(values, id)...)
	if err != nil {
		return session.Session{}, translate(ctx, err)
	}
	return sess, translate(ctx, tx.Commit())
}

// Delete implements session.Store.
func (s *Sessions) Delete(ctx context.Context, id string) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM sessions WHERE id = ?`, id)
	return translate(ctx, err)
}

func sessionValues(s session.Session) ([]any, error) {
	command, err := encode(s.Command)
	if err != nil {
		return nil, err
	}
	return []any{
		s.ID, s.VMID, s.StartID, s.Name, command, string(s.Mode), s.Dir, s.User, string(s.State), s.ExitCode, s.Signal,
		s.LastError, s.KeepBytes, s.StdinBytes, s.StdoutBytes, s.StderrBytes, s.StdoutDropped, s.StderrDropped,
		nanos(s.CreatedAt), nanos(s.StartedAt), nanos(s.EndedAt),
	}, nil
}

func scanSession(row interface{ Scan(...any) error }) (session.Session, error) {
	var s session.Session
	var command string
	var created, started, ended int64
	err := row.Scan(
		&s.ID, &s.VMID, &s.StartID, &s.Name, &command, &s.Mode, &s.Dir, &s.User, &s.State, &s.ExitCode, &s.Signal,
		&s.LastError, &s.KeepBytes, &s.StdinBytes, &s.StdoutBytes, &s.StderrBytes, &s.StdoutDropped, &s.StderrDropped,
		&created, &started, &ended,
	)
	if err != nil {
		return session.Session{}, err
	}
	if err := decode("command", command, &s.Command); err != nil {
		return session.Session{}, err
	}
	s.CreatedAt, s.StartedAt, s.EndedAt = fromNanos(created), fromNanos(started), fromNanos(ended)
	return s, nil
}
