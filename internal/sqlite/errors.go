package sqlite

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// translate turns an error of the database into a fault. Nil stays nil, a fault
// stays itself, and once ctx has ended the error is ctx's.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fault.Wrap(fault.Internal, err, "database")
	}
	switch f.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(fault.Unavailable, err, "the disk with banger's database is full").
			WithHint("free some space: %s, or %s", act.VMDelete.On(""), act.ImageDelete.On(""))
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.Wrap(fault.Unavailable, err, "the database is locked").
			WithHint("close whatever else has it open")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fault.Wrap(fault.Unavailable, err, "cannot write to the database").
			Try(act.Doctor.Do())
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.Wrap(fault.Internal, err, "the database is damaged").
			WithHint("move state.db aside and restore it from a backup; the VMs' disks are untouched")
	default:
		return fault.Wrap(fault.Internal, err, "database")
	}
}

// isUnique reports whether err is the breach of a unique index or primary key.
func isUnique(err error) bool {
	f, ok := errors.AsType[*sqlite.Error](err)
	return ok && (f.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || f.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// atPath names the database's file in a fault.
func atPath(err error, path string) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		f.Message += " (" + path + ")"
	}
	return err
}
