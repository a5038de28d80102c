package guestfiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strconv"
	"strings"

	"github.com/pkg/sftp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/treecopy"
)

// ErrNoDirectory is why a file cannot be created in a directory that does not exist.
var ErrNoDirectory = errors.New("no such directory")

// copyFault gives an error of a copy, about a path of either side, its code.
func copyFault(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || err == nil {
		return err
	}
	if r, ok := errors.AsType[*treecopy.Refusal](err); ok {
		return fault.New(fault.Code(r.Code), "%s", r.Message)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, agentrpc.ErrTree):
		return fault.Wrap(fault.Unavailable, err, "the guest sends no proper files")
	case errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, io.ErrUnexpectedEOF), disconnected(err):
		return fault.Wrap(fault.Unavailable, err, "lost the connection to the VM").Try(act.VMList.Do())
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "copy")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.PermissionDenied, err, "copy")
	case errors.Is(err, fs.ErrExist):
		return fault.Wrap(fault.Conflict, err, "copy")
	default:
		return fmt.Errorf("copy: %w", err)
	}
}

// disconnected reports whether an error is of a connection, and not of a file.
func disconnected(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	return network || errors.Is(err, io.ErrClosedPipe)
}

// hinted says what to do about a directory that is missing.
func hinted(err error, dst string) error {
	if r, ok := errors.AsType[*treecopy.Refusal](err); ok && r.NoDirectory {
		return noDirectory(dst)
	}
	return err
}

func noDirectory(name string) error {
	name = path.Clean(name)
	return fault.Wrap(fault.NotFound, ErrNoDirectory, "cannot create %s", name).WithHint("create the directory %s first", path.Dir(name))
}

// fileFault gives an error about a guest's file its code.
func fileFault(name string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	code := fault.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		code = fault.PermissionDenied
	}
	return fault.Wrap(code, plainSFTP(err), "%s", name)
}

// fileError is an error about a file of either side.
type fileError struct {
	name string
	err  error
}

func (e *fileError) Error() string { return e.name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// named says which file an error is about.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return &fileError{name: name, err: plainSFTP(err)}
}

// unnamed is what happened to a file, for one who names it.
func unnamed(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if f, ok := errors.AsType[*fileError](err); ok {
		return f.err
	}
	return err
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: plainSFTP(err)}
}

// plainSFTP turns the protocol's statuses into the errors that errors.Is knows.
func plainSFTP(err error) error {
	status, ok := errors.AsType[*sftp.StatusError](err)
	if !ok {
		return unnamed(err)
	}
	switch status.FxCode() {
	case sftp.ErrSSHFxNoSuchFile:
		return fs.ErrNotExist
	case sftp.ErrSSHFxPermissionDenied:
		return fs.ErrPermission
	default:
		return errors.New(reasonSFTP(status.Error()))
	}
}

// reasonSFTP is what a server said of a failure, without the protocol's own name
// of it, which tells nothing: `sftp: "write f: no space left on device" (SSH_FX_FAILURE)`.
func reasonSFTP(text string) string {
	text = strings.TrimPrefix(text, "sftp: ")
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return text
	}
	said, err := strconv.Unquote(quoted)
	if err != nil || said == "" {
		return text
	}
	if _, cause, ok := strings.Cut(said, ": "); ok && cause != "" {
		return cause
	}
	return said
}
