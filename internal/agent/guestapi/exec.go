package guestapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

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
	defaults := id.Commands
	if req.TTY {
		defaults.Env = append([]string{"TERM=xterm-256color"}, defaults.Env...)
	}
	spec, err := defaults.Spec(req.User, req.Dir, req.Env)
	spec.Argv, spec.TTY = req.Command, req.TTY
	return spec, err
}

// terminalOf is the terminal that a request asks for, or nil.
func terminalOf(req agentrpc.ExecRequest) *command.Size {
	if !req.TTY {
		return nil
	}
	return &command.Size{Rows: req.Rows, Cols: req.Cols}
}
