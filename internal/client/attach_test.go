package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/guestapi"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// guest is the agent's real API, reached through what stands for the daemon:
// it passes bytes on, and cuts connections where it is told to.
type guest struct {
	t      *testing.T
	api    *guestapi.Server
	client *client.Client
	budget func() int64 // bytes of the next connection, each way; below 0: no end
	joined atomic.Int64
	conns  sync.WaitGroup
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	g := &guest{t: t, budget: func() int64 { return -1 }}
	g.api = guestapi.New(slog.New(slog.DiscardHandler), func() agentrpc.Health { return agentrpc.Health{} }, nil)
	g.api.SetIdentity(guestapi.Identity{Token: "sesame"})
	path := filepath.Join(t.TempDir(), "d.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(g.serve), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	g.client = client.New(path)
	t.Cleanup(func() {
		g.client.Close()
		_ = srv.Close()
		<-done
		g.conns.Wait()
	})
	return g
}

// dial connects to the agent.
func (g *guest) dial() net.Conn {
	ours, theirs := net.Pipe()
	g.conns.Go(func() { g.api.ServeConn(context.Background(), theirs) })
	return ours
}

// serve passes a request for a session on to the agent.
func (g *guest) serve(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(r.URL.Path, "/sessions/")
	if strings.HasSuffix(rest, "/channel") {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	agent := g.dial() //nolint:contextcheck // the agent's side outlives the request
	defer func() { _ = agent.Close() }()
	go func() {
		_, _ = fmt.Fprintf(agent, "POST %s/%s HTTP/1.1\r\nHost: guest\r\nAuthorization: Bearer sesame\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n%s",
			agentrpc.PathSessions, rest, r.Header.Get("Upgrade"), len(body), body)
	}()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		g.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(agent)
	head, err := in.ReadString('\n')
	if err != nil {
		return
	}
	if _, err := io.WriteString(conn, head); err != nil {
		return
	}
	if strings.Contains(head, " 101 ") {
		g.joined.Add(1)
	}
	budget := g.budget()
	var both sync.WaitGroup
	pass := func(dst io.Writer, src io.Reader) {
		if budget >= 0 {
			src = io.LimitReader(src, budget)
		}
		_, _ = io.Copy(dst, src)
		_ = conn.Close()
		_ = agent.Close()
	}
	both.Go(func() { pass(agent, buf.Reader) })
	both.Go(func() { pass(conn, in) })
	both.Wait()
}

const sessionID = "00000000000000bb"

func (g *guest) start(keep int64, argv ...string) {
	g.t.Helper()
	conn := g.dial()
	defer func() { _ = conn.Close() }()
	command := `["` + strings.Join(argv, `","`) + `"]`
	user := strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid())
	body := fmt.Sprintf(`{"id":%q,"command":%s,"keep_bytes":%d,"user":%q}`, sessionID, command, keep, user)
	go func() {
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: guest\r\nAuthorization: Bearer sesame\r\nContent-Length: %d\r\n\r\n%s", agentrpc.PathSessions, len(body), body)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(resp.Body)
		g.t.Fatalf("%s: %s", resp.Status, text)
	}
}

// However often and wherever connections break, each byte arrives once, in both
// directions.
func TestAnAttachmentSurvivesEveryBreak(t *testing.T) {
	g := newGuest(t)
	g.start(4<<20, "cat")
	random := rand.New(rand.NewPCG(1, 2))
	g.budget = func() int64 { return 300 + random.Int64N(300_000) }
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(random.Uint32())
	}
	var got bytes.Buffer
	at := g.client.Attach("vm", sessionID, client.AttachOptions{
		Output: func(_ agentrpc.Stream, p []byte) error { got.Write(p); return nil },
		Lost:   func(_ agentrpc.Stream, n int64) { t.Errorf("%d bytes are lost", n) },
	})
	go func() {
		for at0 := 0; at0 < len(want); {
			n := min(len(want)-at0, 1+rand.IntN(70_000))
			if _, err := at.Write(want[at0 : at0+n]); err != nil {
				t.Error(err)
				return
			}
			at0 += n
		}
		at.CloseWrite()
	}()
	end, err := at.Run(t.Context())
	if err != nil || end.Reason != agentrpc.EndExited || end.ExitCode != 0 {
		t.Fatalf("Run = %+v, %v", end, err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes came back of %d, or others", got.Len(), len(want))
	}
	if n := g.joined.Load(); n < 3 {
		t.Errorf("%d connections: nothing was tried", n)
	}
	if _, err := at.Write([]byte("x")); err == nil {
		t.Error("writing after the end is no error")
	}
}

func TestARefusalIsNotTriedAgain(t *testing.T) {
	g := newGuest(t)
	_, err := g.client.Attach("vm", "00000000000000cc", client.AttachOptions{}).Run(t.Context())
	if !errors.Is(err, fault.NotFound) && fault.CodeOf(err) == "" {
		t.Errorf("Run = %v", err)
	}
}

func TestWhoTakesNoOutputLeaves(t *testing.T) {
	g := newGuest(t)
	g.start(0, "cat")
	full := errors.New("the disk is full")
	at := g.client.Attach("vm", sessionID, client.AttachOptions{Output: func(agentrpc.Stream, []byte) error { return full }})
	if _, err := at.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := at.Run(t.Context()); !errors.Is(err, full) {
		t.Errorf("Run = %v", err)
	}
	again := g.client.Attach("vm", sessionID, client.AttachOptions{Output: func(agentrpc.Stream, []byte) error { return nil }})
	again.CloseWrite()
	if end, err := again.Run(t.Context()); err != nil || end.Reason != agentrpc.EndExited {
		t.Errorf("after it: %+v, %v", end, err)
	}
}

// A hostile agent is caught at once: nothing is repeated, skipped or awaited
// for ever.
func TestAHostileAgentIsCaught(t *testing.T) {
	offset := func(n int64, text string) []byte { return append(agentrpc.AppendOffset(nil, n), text...) }
	for name, frames := range map[string][]byte{
		"no greeting":       agentrpc.AppendFrame(nil, agentrpc.AttachStdout, offset(0, "x")),
		"a wrong greeting":  agentrpc.AppendFrame(nil, agentrpc.AttachHello, []byte(`{"stdin":5}`)),
		"malformed":         agentrpc.AppendFrame(nil, agentrpc.AttachHello, []byte(`{{{`)),
		"repeated output":   agentrpc.AppendFrame(hello(), agentrpc.AttachStdout, offset(-1, "x")),
		"skipped output":    agentrpc.AppendFrame(hello(), agentrpc.AttachStdout, offset(9, "x")),
		"output of none":    agentrpc.AppendFrame(hello(), agentrpc.AttachStdout, offset(0, "")),
		"too large":         append(hello(), byte(agentrpc.AttachStdout), 0xff, 0xff, 0xff, 0xff),
		"unknown frame":     append(hello(), 200, 0, 0, 0, 0),
		"the client's":      agentrpc.AppendFrame(hello(), agentrpc.AttachStdin, offset(0, "x")),
		"a loss backwards":  agentrpc.AppendFrame(hello(), agentrpc.AttachLost, append([]byte{0}, append(offset(5, ""), offset(3, "")...)...)),
		"an end of no kind": agentrpc.AppendFrame(hello(), agentrpc.AttachEnd, []byte(`{"reason":"because"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "d.sock")
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() {
				conn := acceptAttach(t, l)
				if conn == nil {
					return
				}
				defer func() { _ = conn.Close() }()
				_, _ = conn.Write(append([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: banger-attach-v1\r\n\r\n"), frames...))
				_, _ = io.Copy(io.Discard, conn)
			})
			defer serving.Wait()
			defer func() { _ = l.Close() }()
			c := client.New(path)
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err = c.Attach("vm", "s", client.AttachOptions{Output: func(agentrpc.Stream, []byte) error {
				t.Error("output was passed on")
				return nil
			}}).Run(ctx)
			if err == nil || ctx.Err() != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

// acceptAttach returns the connection of the request that attaches, or nil. The
// question where the agent is, before, has no answer.
func acceptAttach(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Error(err)
			_ = conn.Close()
			return nil
		}
		if strings.HasSuffix(r.URL.Path, "/attach") {
			return conn
		}
		_, _ = conn.Write([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		_ = conn.Close()
	}
}

func hello() []byte {
	return agentrpc.AppendFrame(nil, agentrpc.AttachHello, []byte(`{"stdin_window":1000}`))
}
