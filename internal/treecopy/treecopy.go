// Package treecopy reads files and trees into a stream of records
// (agentrpc.TreeWriter), and writes such a stream below one directory. Host and
// guest use it alike, each as the reader and the writer, so what it does with
// modes, times, links and holes is the same in both directions.
//
// The stream is not trusted: no record leads out of the directory, whatever links
// it makes on the way, and what is not a file, directory or link is never opened.
package treecopy

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/bangervm/banger/internal/agentrpc"
)

// MaxDepth bounds how deep a tree is followed: a guest could make one without end.
const MaxDepth = 200

// Note is about something that is not copied.
type Note struct {
	Path  string // as the reader of the files names it
	Why   string
	Fault bool // it should have been: the copy is not whole
}

// Codes of refusals, as banger's faults have them.
const (
	CodeNotFound         = "not_found"
	CodeConflict         = "conflict"
	CodeInvalid          = "invalid"
	CodeUnavailable      = "unavailable"
	CodePermissionDenied = "permission_denied"
)

// Refusal is an error with one of the codes.
type Refusal struct {
	Code    string
	Message string
	// NoDirectory says that the directory to write in is missing.
	NoDirectory bool
}

func (r *Refusal) Error() string { return r.Message }

func refuse(code, format string, args ...any) error {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

func failure(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// tell is a Noted that may be nil.
func tell(to func(Note) error, n Note) error {
	if to == nil {
		return nil
	}
	return to(n)
}

// WriteNote writes a Note as a record, for a reader of files whose notes the
// other end tells.
func WriteNote(w *agentrpc.TreeWriter) func(Note) error {
	return func(n Note) error {
		e := agentrpc.TreeEntry{Kind: agentrpc.TreeNote, Path: n.Path, Mode: 1}
		if n.Fault {
			e.Mode = 0
		}
		if agentrpc.CheckTreePath(e.Path) != nil {
			e.Path = "."
		}
		return w.Text(e, n.Why[:min(len(n.Why), agentrpc.MaxTreeText)])
	}
}

// reason is what happened to a file, for one who names it.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
