package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/guestapi"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// agentChannel serves the agent's real API as a monitor does, by Firecracker's
// hybrid vsock, and returns the socket's path.
func agentChannel(t *testing.T) string {
	t.Helper()
	agent := guestapi.New(slog.New(slog.DiscardHandler), func() agentrpc.Health { return agentrpc.Health{} }, nil)
	agent.SetIdentity(guestapi.Identity{Token: "sesame"})
	path := filepath.Join(t.TempDir(), "vsock.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer func() { _ = conn.Close() }()
				var port uint32
				if _, err := fmt.Fscanf(conn, "CONNECT %d\n", &port); err != nil || port != agentrpc.APIPort {
					return // as where nothing listens
				}
				_, _ = io.WriteString(conn, "OK 7\n")
				agent.ServeConn(context.Background(), conn)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return path
}

// daemonWith is a daemon that says where the agent is, and relays an exec to one
// that prints "relayed". Its end cuts all of its own connections.
func daemonWith(t *testing.T, channel http.HandlerFunc) (c *client.Client, end func()) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/vms/box/channel", channel)
	mux.HandleFunc("POST /v1/vms/box/exec", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", api.ExecProtocol)
		_ = agentrpc.WriteFrame(conn, agentrpc.FrameStdout, []byte("relayed\n"))
		_ = agentrpc.WriteFrame(conn, agentrpc.FrameExit, []byte{0, 0, 0, 0})
	})
	path := filepath.Join(t.TempDir(), "d.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	c = client.New(path)
	end = func() {
		c.Close()
		_ = srv.Close()
		<-done
	}
	t.Cleanup(end)
	return c, end
}

// says answers with where the agent is.
func says(at api.Channel) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(at) }
}

// me is the user of the test, as exec takes it.
func me() string { return strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid()) }

func TestExecOutlivesTheDaemon(t *testing.T) {
	c, end := daemonWith(t, says(api.Channel{Socket: agentChannel(t), Token: "sesame"}))
	stream, err := c.ExecVM(t.Context(), "box", api.Exec{Command: []string{"sh", "-c", "echo before; read x; echo after $x; exit 3"}, User: me(), Stdin: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	if err := stream.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(stream)
	if _, said, err := agentrpc.ReadFrame(in, nil); err != nil || string(said) != "before\n" {
		t.Fatalf("%q, %v", said, err)
	}
	end()
	if err := agentrpc.WriteFrame(stream, agentrpc.FrameStdin, []byte("all\n")); err != nil {
		t.Fatal(err)
	}
	if _, said, err := agentrpc.ReadFrame(in, nil); err != nil || string(said) != "after all\n" {
		t.Fatalf("%q, %v", said, err)
	}
	if kind, status, err := agentrpc.ReadFrame(in, nil); err != nil || kind != agentrpc.FrameExit || status[3] != 3 {
		t.Fatalf("frame %d %v, %v", kind, status, err)
	}
}

func TestStreamsAreRelayedWhereTheyMustBe(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: gone, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, channel := range map[string]http.HandlerFunc{
		"a daemon before this one":  http.NotFound,
		"a daemon of another host":  says(api.Channel{Socket: filepath.Join(t.TempDir(), "none", "vsock.sock"), Token: "sesame"}),
		"a daemon that has no path": says(api.Channel{}),
		"a monitor that has ended":  says(api.Channel{Socket: gone, Token: "sesame"}),
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := daemonWith(t, channel)
			stream, err := c.ExecVM(t.Context(), "box", api.Exec{Command: []string{"echo", "direct"}, User: me()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stream.Close() }()
			if _, said, err := agentrpc.ReadFrame(bufio.NewReader(stream), nil); err != nil || string(said) != "relayed\n" {
				t.Errorf("%q, %v", said, err)
			}
		})
	}
}

// What the agent itself refuses is not asked a second time.
func TestAnAgentsRefusalIsNotRelayed(t *testing.T) {
	c, _ := daemonWith(t, says(api.Channel{Socket: agentChannel(t), Token: "wrong"}))
	if _, err := c.ExecVM(t.Context(), "box", api.Exec{Command: []string{"true"}}); err == nil || !strings.Contains(err.Error(), "the guest's agent") {
		t.Errorf("exec with a wrong token: %v", err)
	}
	if _, err := c.DialVM(t.Context(), "box", 9); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a port where nothing listens: %v", err)
	}
}
