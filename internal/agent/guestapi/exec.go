package guestapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
)

func (s *Server) serveExec(w http.ResponseWriter, r *http.Request) {
	id, ok := s.authorised(w, r)
	if !ok {
		return
	}
	if !wants(w, r, "exec", agentrpc.ExecProtocol) {
		return
	}
	var req agentrpc.ExecRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		replyError(w, http.StatusBadRequest, "invalid", fmt.Sprintf("malformed exec request: %v", err))
		return
	}
	conn, in, ok := s.upgrade(w, agentrpc.ExecProtocol, nil)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	sess := &execSession{conn: conn, in: in}
	if err := sess.run(id, req); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Info("the exec connection ended", "err", err)
	}
}

// specFor resolves a request in the guest: the user, the environment, the
// directory.
func specFor(id Identity, req agentrpc.ExecRequest) (command.Spec, error) {
	user, err := account.Lookup("/", req.User)
	if err != nil {
		return command.Spec{}, &command.StartError{Status: command.StatusCannotRun, Err: err}
	}
	spec := command.Spec{Argv: req.Command, User: user, TTY: req.TTY, Dir: req.Dir}
	if spec.Dir == "" {
		spec.Dir = id.WorkingDir
	}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
	if !strings.HasPrefix(spec.Dir, "/") {
		return spec, &command.StartError{
			Status: command.StatusCannotRun,
			Err:    fmt.Errorf("the working directory %q is not an absolute path", spec.Dir),
		}
	}
	var term []string
	if req.TTY {
		term = []string{"TERM=xterm-256color"}
	}
	spec.Env = command.Environ(user, term, id.Env, req.Env)
	return spec, nil
}

// files are a command's ends of its pipes or its terminal, and ours.
type files struct {
	stdin, stdout, stderr *os.File // the command's; closed once it has started
	in                    *os.File // where stdin frames go; nil: nowhere
	out, err              *os.File // err is nil with a terminal
	master                *os.File // the terminal, or nil
}

func openFiles(spec command.Spec, req agentrpc.ExecRequest) (f files, err error) {
	if req.TTY {
		f.master, f.stdin, err = command.OpenTerminal(spec.User, req.Rows, req.Cols)
		f.stdout, f.stderr, f.out = f.stdin, f.stdin, f.master
		if req.Stdin {
			f.in = f.master
		}
		return f, err
	}
	defer func() {
		if err != nil {
			f.closeTheirs()
			f.closeOurs()
		}
	}()
	if req.Stdin {
		f.stdin, f.in, err = os.Pipe()
	} else {
		f.stdin, err = os.Open(os.DevNull)
	}
	if err != nil {
		return f, err
	}
	if f.out, f.stdout, err = os.Pipe(); err != nil {
		return f, err
	}
	f.err, f.stderr, err = os.Pipe()
	return f, err
}

func (f *files) closeTheirs() { closeAll(f.stdin, f.stdout, f.stderr) }
func (f *files) closeOurs()   { closeAll(f.in, f.out, f.err) }

// closeAll closes each file; a terminal occurs more than once, and its second
// close does nothing.
func closeAll(fs ...*os.File) {
	for _, f := range fs {
		if f != nil {
			_ = f.Close()
		}
	}
}
