package guestapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/bangervm/banger/internal/agent/workspace"
	"github.com/bangervm/banger/internal/agentrpc"
)

func (s *Server) serveWorkspace(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authorised(w, r); !ok {
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), agentrpc.WorkspaceProtocol) {
		w.Header().Set("Upgrade", agentrpc.WorkspaceProtocol)
		replyError(w, http.StatusUpgradeRequired, "invalid", "a workspace needs Upgrade: "+agentrpc.WorkspaceProtocol)
		return
	}
	var req agentrpc.WorkspaceRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		replyError(w, http.StatusBadRequest, "invalid", fmt.Sprintf("malformed workspace request: %v", err))
		return
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Error("hijack the workspace connection", "err", err)
		return
	}
	defer func() { _ = conn.Close() }()
	const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + agentrpc.WorkspaceProtocol + "\r\n\r\n"
	if _, err := conn.Write([]byte(switching)); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	workspace.Server{Log: s.log}.Serve(ctx, req, buf.Reader, conn)
}
