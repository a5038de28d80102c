// Package transfer is the guest's side of agentrpc.CopyProtocol: files and trees
// that the host puts into the guest, or gets from it, as root.
package transfer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/treecopy"
)

// Server serves requests on streams that were upgraded already.
type Server struct {
	// Home is where relative paths begin.
	Home string
	Log  *slog.Logger
}

// Serve serves one request: in and out are the stream, which the caller closes
// when Serve returns, and also to cancel it. Errors are told to the host.
func (s Server) Serve(ctx context.Context, req agentrpc.CopyRequest, in *bufio.Reader, out io.Writer) {
	var err error
	switch req.Verb {
	case agentrpc.CopyPut:
		err = s.put(ctx, req, in)
	case agentrpc.CopyGet:
		err = s.get(ctx, req, out)
		if err == nil {
			return // the host has had its answer
		}
	default:
		err = &treecopy.Refusal{Code: treecopy.CodeInvalid, Message: "unknown verb " + req.Verb}
	}
	if answered, ok := errors.AsType[*midTree](err); ok {
		s.Log.Info("a copy broke off", "verb", req.Verb, "err", answered.error)
		return
	}
	if agentrpc.WriteLine(out, answerOf(err)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, in) // so that the host reads the answer, though it is still sending
}

// midTree is an error that came after the answer.
type midTree struct{ error }

// put writes the tree that in carries.
func (s Server) put(ctx context.Context, req agentrpc.CopyRequest, in *bufio.Reader) error {
	path := s.absolute(req.Path)
	if info, err := os.Stat(path); req.File && err == nil && info.IsDir() {
		return &treecopy.Refusal{Code: treecopy.CodeInvalid, Message: path + " is a directory", Directory: true}
	}
	to, err := treecopy.Land(path, max(req.Sources, 1))
	if err != nil {
		return err
	}
	defer to.Close()
	w := treecopy.Writer{}
	return w.Write(ctx, agentrpc.NewTreeReader(in), to)
}

// get answers, and sends the tree.
func (s Server) get(ctx context.Context, req agentrpc.CopyRequest, out io.Writer) error {
	if len(req.Paths) == 0 || len(req.Paths) > agentrpc.MaxCopyPaths {
		return &treecopy.Refusal{Code: treecopy.CodeInvalid, Message: "nothing to copy, or too much"}
	}
	var answer agentrpc.CopyAnswer
	for i, path := range req.Paths {
		req.Paths[i] = s.absolute(path)
		if err := treecopy.Check(req.Paths[i]); err != nil {
			return err
		}
		if req.Count {
			answer.Bytes += treecopy.Bytes(req.Paths[i])
		}
	}
	if err := agentrpc.WriteLine(out, answer); err != nil {
		return &midTree{err}
	}
	tree := agentrpc.NewTreeWriter(out)
	r := treecopy.Reader{W: tree, Noted: treecopy.WriteNote(tree)}
	for _, path := range req.Paths {
		if err := r.Read(ctx, path); err != nil {
			return &midTree{errors.Join(err, tree.Fail(err.Error()))}
		}
	}
	if err := tree.End(); err != nil {
		return &midTree{err}
	}
	return nil
}

// absolute keeps a slash, or a slash and a dot, at the end: they mean something.
func (s Server) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return s.Home + "/" + path
}

// answerOf says what went wrong with one of the codes.
func answerOf(err error) agentrpc.CopyAnswer {
	if err == nil {
		return agentrpc.CopyAnswer{}
	}
	answer := agentrpc.CopyAnswer{Code: "internal", Message: err.Error()}
	if r, ok := errors.AsType[*treecopy.Refusal](err); ok {
		answer.Code, answer.NoDirectory, answer.Directory = r.Code, r.NoDirectory, r.Directory
		return answer
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		answer.Code = treecopy.CodeNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		answer.Code = treecopy.CodePermissionDenied
	case errors.Is(err, os.ErrExist), errors.Is(err, syscall.ENOTDIR):
		answer.Code = treecopy.CodeConflict
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		answer.Code = treecopy.CodeUnavailable
	}
	return answer
}
