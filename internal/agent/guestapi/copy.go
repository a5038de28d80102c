package guestapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/transfer"
	"github.com/bangervm/banger/internal/agentrpc"
)

func (s *Server) serveCopy(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authorised(w, r); !ok {
		return
	}
	if !wants(w, r, "a copy", agentrpc.CopyProtocol) {
		return
	}
	var req agentrpc.CopyRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil {
		replyError(w, http.StatusBadRequest, "invalid", fmt.Sprintf("malformed copy request: %v", err))
		return
	}
	home := "/root"
	if root, err := account.Lookup("/", ""); err == nil && root.Home != "" {
		home = root.Home
	}
	conn, in, ok := s.upgrade(w, agentrpc.CopyProtocol, nil)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	transfer.Server{Home: home, Log: s.log}.Serve(ctx, req, in, conn)
}
