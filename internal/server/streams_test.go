package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// echo sends back what it gets, and after end-of-file says so.
func echo(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, _ = io.Copy(conn, conn)
	_, _ = conn.Write([]byte("<eof>"))
}

func TestStreamHalfCloses(t *testing.T) {
	f := start(t)
	f.guest = echo
	s, err := f.client.DialVM(t.Context(), "web", agentrpc.SSHPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	sent := bytes.Repeat([]byte("xyz"), 300_000)
	go func() {
		_, _ = s.Write(sent)
		_ = s.CloseWrite()
	}()
	got, err := io.ReadAll(s)
	if err != nil || string(got) != string(sent)+"<eof>" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestExecPassesTheStream(t *testing.T) {
	f := start(t)
	f.guest = func(conn net.Conn) {
		_, _ = conn.Write([]byte("early"))
		echo(conn)
	}
	s, err := f.client.ExecVM(t.Context(), "web", api.Exec{Command: []string{"uname", "-a"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_ = s.CloseWrite()
	if got, err := io.ReadAll(s); err != nil || string(got) != "early<eof>" {
		t.Errorf("%q, %v", got, err)
	}
	if diff := cmp.Diff([]string{"exec uname -a"}, f.calls()); diff != "" {
		t.Error(diff)
	}
}

func TestUpgradesAreRefusedAsFaults(t *testing.T) {
	f := start(t)
	if _, err := f.client.ExecVM(t.Context(), "idle", api.Exec{Command: []string{"x"}}); !errors.Is(err, fault.Conflict) {
		t.Errorf("exec in a stopped VM: %v", err)
	}
	if _, err := f.client.ExecVM(t.Context(), "web", api.Exec{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("exec of nothing: %v", err)
	}
	if _, err := f.client.DialVM(t.Context(), "web", 9); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a port that nobody has: %v", err)
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	f := start(t)
	f.guest = echo
	s, err := f.client.DialVM(t.Context(), "web", agentrpc.SSHPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	logs, err := f.client.VMLogs(t.Context(), "web", client.LogOptions{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := s.Read(make([]byte, 1)); n > 0 || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the stream lives on: %d, %v", n, err)
	}
}

func TestStopIsRefusedWhileItWouldCutStreams(t *testing.T) {
	f := start(t)
	f.guest = echo
	open := func() *client.Stream {
		t.Helper()
		s, err := f.client.ExecVM(t.Context(), "web", api.Exec{Command: []string{"make"}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := open(), open()
	defer func() { _ = two.Close() }()
	ssh, err := f.client.DialVM(t.Context(), "web", agentrpc.SSHPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ssh.Close() }()
	err = f.client.StopDaemon(t.Context(), api.StopDaemon{})
	if !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "exec in web (2 times), ssh to web") || !strings.Contains(fault.HintOf(err).String(), "daemon stop (force)") {
		t.Fatalf("got %v (%s)", err, fault.HintOf(err).String())
	}
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	if err := f.client.StopDaemon(t.Context(), api.StopDaemon{Force: true}); err != nil {
		t.Error(err)
	}
	<-f.stopped
}
