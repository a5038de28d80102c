package guestapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	sess := &execConn{conn: conn, in: in}
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

// terminalOf is the terminal that a request asks for, or nil.
func terminalOf(req agentrpc.ExecRequest) *command.Size {
	if !req.TTY {
		return nil
	}
	return &command.Size{Rows: req.Rows, Cols: req.Cols}
}
