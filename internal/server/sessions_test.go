package server_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/server"
)

// sends implements the part of server.Sessions that writes to a session.
type sends struct {
	server.Sessions
	had []string
}

func (s *sends) Send(_ context.Context, vmName, name string, p []byte, eof bool) error {
	what := vmName + " " + name + " " + strings.Repeat("x", min(len(p), 3))
	if eof {
		what += " eof"
	}
	s.had = append(s.had, what)
	return nil
}

// An input that ends with a full piece, or is empty, has its end alone.
func TestTheEndOfTheInputNeedsNoBytes(t *testing.T) {
	var s sends
	f := start(t, func(o *server.Options) { o.Services.Sessions = &s })
	for _, p := range [][]byte{make([]byte, client.MaxSend), nil} {
		if err := f.client.SendSession(t.Context(), "web", "s", p, len(p) == 0); err != nil {
			t.Fatalf("%d bytes: %v", len(p), err)
		}
	}
	if diff := cmp.Diff([]string{"web s xxx", "web s  eof"}, s.had); diff != "" {
		t.Error(diff)
	}
}
