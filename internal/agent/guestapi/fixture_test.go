package guestapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/guestapi"
	"github.com/bangervm/banger/internal/agentrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "sesame"

// serve starts a server on one end of a socket pair and returns the other.
func serve(t *testing.T, id *guestapi.Identity) net.Conn {
	t.Helper()
	srv := guestapi.New(slog.New(slog.DiscardHandler), func() agentrpc.Health { return agentrpc.Health{Init: "agent", Ready: id != nil} }, owner)
	if id != nil {
		srv.SetIdentity(*id)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "api.sock"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := (&net.Dialer{}).DialContext(t.Context(), "unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.ServeConn(context.Background(), conn) }()
	if err := client.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(); _ = l.Close(); <-done })
	return client
}

// owner knows the process of port 80 of TCP.
func owner(proto string, port uint16) agentrpc.Owner {
	if proto == "tcp" && port == 80 {
		return agentrpc.Owner{PID: 7, Process: "web", Command: "web -p 80"}
	}
	return agentrpc.Owner{}
}

func identity() *guestapi.Identity {
	return &guestapi.Identity{Token: token, Commands: command.Defaults{Env: []string{"FROM_IMAGE=yes", "PATH=/usr/bin:/bin"}, Dir: "/"}}
}

type session struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func post(t *testing.T, conn net.Conn, bearer string, req agentrpc.ExecRequest) (status int, in *bufio.Reader) {
	t.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: guest\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n%s",
		agentrpc.PathExec, bearer, agentrpc.ExecProtocol, len(body), body); err != nil {
		t.Fatal(err)
	}
	in = bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
	}
	return resp.StatusCode, in
}

// start runs a command as the user of the test.
func start(t *testing.T, req agentrpc.ExecRequest) *session {
	t.Helper()
	if req.User == "" {
		req.User = strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid())
	}
	conn := serve(t, identity())
	status, in := post(t, conn, token, req)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("exec answered %d", status)
	}
	return &session{t: t, conn: conn, in: in}
}

func (s *session) send(ft agentrpc.FrameType, payload string) {
	s.t.Helper()
	if err := agentrpc.WriteFrame(s.conn, ft, []byte(payload)); err != nil {
		s.t.Fatal(err)
	}
}

// until reads frames until the last one.
func (s *session) until() (stdout, stderr string, last agentrpc.FrameType, status int, message string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	for {
		ft, payload, err := agentrpc.ReadFrame(s.in, nil)
		if err != nil {
			s.t.Fatalf("read a frame: %v (stdout %q)", err, out.String())
		}
		switch ft {
		case agentrpc.FrameStdout:
			out.Write(payload)
		case agentrpc.FrameStderr:
			errs.Write(payload)
		case agentrpc.FrameExit, agentrpc.FrameError:
			return out.String(), errs.String(), ft, int(binary.BigEndian.Uint32(payload)), string(payload[4:])
		default:
			s.t.Fatalf("unexpected frame %d", ft)
		}
	}
}
