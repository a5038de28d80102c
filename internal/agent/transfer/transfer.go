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
		err = s.put(ctx, req, in, out)
	case agentrpc.CopyGet:
		err = s.get(ctx, req, in, out)
	case agentrpc.CopyLook:
		info, statErr := os.Stat(s.absolute(req.Path))
		_ = agentrpc.WriteLine(out, agentrpc.CopyAnswer{Directory: statErr == nil && info.IsDir()})
		return
	default:
		err = &treecopy.Refusal{Code: treecopy.CodeInvalid, Message: "unknown verb " + req.Verb}
	}
	if err == nil && req.Verb == agentrpc.CopyGet {
		return // the host has had its answer
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
func (s Server) put(ctx context.Context, req agentrpc.CopyRequest, in *bufio.Reader, out io.Writer) error {
	if err := bounded(req.Sources); err != nil {
		return err
	}
	to, err := treecopy.Land(s.absolute(req.Path), len(req.Sources))
	if err != nil {
		return err
	}
	defer to.Close()
	if req.Resume {
		if err := to.List(ctx, req.Sources, agentrpc.NewTreeWriter(out)); err != nil {
			return &midTree{err}
		}
	}
	w := treecopy.Writer{SetID: req.SetID, KeepPart: req.Resume, Tops: req.Sources}
	return w.Write(ctx, agentrpc.NewTreeReader(in), to)
}

func bounded(sources []string) error {
	if len(sources) == 0 || len(sources) > agentrpc.MaxCopyPaths {
		return &treecopy.Refusal{Code: treecopy.CodeInvalid, Message: "nothing to copy, or too much"}
	}
	return nil
}

// get answers, and sends the tree.
func (s Server) get(ctx context.Context, req agentrpc.CopyRequest, in *bufio.Reader, out io.Writer) error {
	if err := bounded(req.Paths); err != nil {
		return err
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
	tree := agentrpc.NewTreeWriter(out)
	r := treecopy.Reader{W: tree, Noted: treecopy.WriteNote(tree), SetID: req.SetID}
	if req.Resume {
		var err error
		if r.Have, err = treecopy.ReadList(agentrpc.NewTreeReader(in)); err != nil {
			return err
		}
	}
	if err := agentrpc.WriteLine(out, answer); err != nil {
		return &midTree{err}
	}
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
		answer.Code, answer.NoDirectory = r.Code, r.NoDirectory
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
