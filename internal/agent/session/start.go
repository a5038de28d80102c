package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
)

// Request is a session to start, resolved in the guest.
type Request struct {
	ID         string
	Spec       command.Spec
	Require    []string
	Rows, Cols uint16
	KeepBytes  int64
	// Credentials are what the command logs in with, or nil.
	Credentials *agentrpc.Credentials
}

// diagnose finds out, before anything is started, what the command lacks.
func diagnose(req Request) error {
	info, err := os.Stat(req.Spec.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(Invalid, "the directory %q does not exist in the guest", req.Spec.Dir)
	case err != nil:
		return fail(Invalid, "cannot use the directory %q: %v", req.Spec.Dir, errors.Unwrap(err))
	case !info.IsDir():
		return fail(Invalid, "%q is not a directory in the guest", req.Spec.Dir)
	}
	path := command.Getenv(req.Spec.Env, "PATH")
	var missing []string
	for _, name := range req.Require {
		if _, err := command.LookPath(req.Spec, name); err != nil {
			missing = append(missing, err.Error())
		}
	}
	if len(missing) > 0 {
		return fail(Invalid, "missing in the guest: %s (looked in %s)", strings.Join(missing, "; "), path)
	}
	if len(req.Spec.Argv) == 0 || req.Spec.Argv[0] == "" {
		return fail(Invalid, "no command given")
	}
	if _, err := command.LookPath(req.Spec, req.Spec.Argv[0]); err != nil {
		looked := ""
		if !strings.Contains(req.Spec.Argv[0], "/") {
			looked = fmt.Sprintf(" (looked in %s)", path)
		}
		return fail(Invalid, "%v in the guest%s", err, looked)
	}
	return nil
}

// lackedCredentials says which credentials are missing, or nothing if one is there or
// none is needed.
func lackedCredentials(req Request) string {
	c := req.Credentials
	if c == nil || len(c.Env)+len(c.Files) == 0 {
		return ""
	}
	for _, name := range c.Env {
		if command.Getenv(req.Spec.Env, name) != "" {
			return ""
		}
	}
	home := command.Getenv(req.Spec.Env, "HOME")
	for _, file := range c.Files {
		if info, err := os.Stat(filepath.Join(home, strings.TrimPrefix(file, "~/"))); err == nil && info.Size() > 0 {
			return ""
		}
	}
	lacked := slices.Clone(c.Files)
	for _, name := range c.Env {
		lacked = append(lacked, "$"+name)
	}
	return fmt.Sprintf("%s has no credentials in the guest: none of %s exists", filepath.Base(req.Spec.Argv[0]), strings.Join(lacked, ", "))
}

// launch starts a session.
func launch(req Request, changed func()) (*Session, error) {
	if err := diagnose(req); err != nil {
		return nil, err
	}
	lacked := lackedCredentials(req)
	if lacked != "" && !req.Spec.TTY {
		return nil, fail(Denied, "%s", lacked)
	}
	var terminal *command.Size
	if req.Spec.TTY {
		terminal = &command.Size{Rows: req.Rows, Cols: req.Cols}
	}
	f, err := command.OpenFiles(req.Spec.User, true, terminal)
	if err != nil {
		return nil, err
	}
	proc, err := f.Start(req.Spec)
	if err != nil {
		return nil, fail(Invalid, "the command did not start: %v", err)
	}
	limit := int(min(max(req.KeepBytes, agentrpc.MinKeep), agentrpc.MaxKeep))
	s := &Session{
		id: req.ID, dir: req.Spec.Dir, warning: lacked, tty: req.Spec.TTY, started: time.Now().UTC(), proc: proc, pid: proc.PID(),
		changed: changed, ended: make(chan struct{}), master: f.Terminal, wake: make(chan struct{}),
		out: [2]ring{{limit: limit}, {limit: limit}}, size: [2]uint16{req.Rows, req.Cols},
		attached: map[*Attachment]struct{}{},
	}
	s.in = newInput(f.In, f.Terminal == nil, s.consumed)
	s.signals.echo, s.signals.timer = echoTime, time.AfterFunc(lookAfter, s.look)
	go s.attend(f)
	return s, nil
}
