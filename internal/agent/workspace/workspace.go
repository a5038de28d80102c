// Package workspace is the guest's side of agentrpc.WorkspaceProtocol: it
// writes a git work tree that the host sends, and reads back the changed one.
package workspace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gittree"
)

// Codes of refusals, as banger's faults have them.
const (
	codeNotFound    = "not_found"
	codeConflict    = "conflict"
	codeInvalid     = "invalid"
	codeUnavailable = "unavailable"
	codeInternal    = "internal"
)

// refusal is an error with a code for the host.
type refusal struct {
	code    string
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(code, format string, args ...any) error {
	return &refusal{code: code, message: fmt.Sprintf(format, args...)}
}

// Server serves requests on streams that were upgraded already.
type Server struct {
	// Git is the guest's git; empty: it is looked for in PATH at each request.
	Git string
	Log *slog.Logger
}

// Serve serves one request: in and out are the stream, which the caller closes
// when Serve returns, and also to cancel it. Errors are told to the host.
func (s Server) Serve(ctx context.Context, req agentrpc.WorkspaceRequest, in *bufio.Reader, out io.Writer) {
	err := checkPath(req.Path)
	if err == nil {
		switch req.Verb {
		case agentrpc.WorkspacePut:
			err = put(ctx, req, in)
		case agentrpc.WorkspaceCollect:
			err = s.collect(ctx, req, in, out)
		default:
			err = refuse(codeInvalid, "unknown verb %q", req.Verb)
		}
	}
	if err != nil {
		s.Log.Warn("workspace", "verb", req.Verb, "path", req.Path, "err", err)
	}
	if _, started := errors.AsType[*midStream](err); started || err == nil && req.Verb == agentrpc.WorkspaceCollect {
		return // the host has had its answer
	}
	if err := agentrpc.WriteLine(out, answerOf(err)); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, in) // so that the host reads the answer, though it is still sending
}

// midStream is an error that came after the answer.
type midStream struct{ error }

func (m *midStream) Unwrap() error { return m.error }

func answerOf(err error) agentrpc.WorkspaceAnswer {
	if err == nil {
		return agentrpc.WorkspaceAnswer{}
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return agentrpc.WorkspaceAnswer{Code: r.code, Message: r.message}
	}
	if failure, ok := errors.AsType[*gittree.Error](err); isFull(err) || ok && strings.Contains(failure.Stderr, syscall.ENOSPC.Error()) {
		return agentrpc.WorkspaceAnswer{Code: codeUnavailable, Message: "the guest's disk is full: " + err.Error()}
	}
	return agentrpc.WorkspaceAnswer{Code: codeInternal, Message: err.Error()}
}

// checkPath accepts where a work tree may be.
func checkPath(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0) {
		return refuse(codeInvalid, "%q is not the absolute path of a directory", path)
	}
	for _, system := range []string{"/proc", "/sys", "/dev"} {
		if path == system || strings.HasPrefix(path, system+"/") {
			return refuse(codeInvalid, "%s belongs to the kernel", path)
		}
	}
	return nil
}

// findGit returns the guest's git, or nothing.
func (s Server) findGit() string {
	if s.Git != "" {
		return s.Git
	}
	path, err := exec.LookPath("git")
	if err != nil {
		return ""
	}
	return path
}
