package guestapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bangervm/banger/internal/agent/workspace"
	"github.com/bangervm/banger/internal/agentrpc"
)

func (s *Server) serveWorkspace(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authorised(w, r); !ok {
		return
	}
	if !wants(w, r, "a workspace", agentrpc.WorkspaceProtocol) {
		return
	}
	var req agentrpc.WorkspaceRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		replyError(w, http.StatusBadRequest, "invalid", fmt.Sprintf("malformed workspace request: %v", err))
		return
	}
	conn, in, ok := s.upgrade(w, agentrpc.WorkspaceProtocol, nil)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	workspace.Server{Log: s.log}.Serve(ctx, req, in, conn)
}
