package web_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bangervm/banger/internal/client"
)

// silent is the client of a daemon that takes connections and says nothing.
func silent(t *testing.T) *client.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan struct{})
	go func() {
		defer close(held)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-held })
	c := client.New(socket)
	t.Cleanup(c.Close)
	return c
}

// terminal opens the WebSocket of a session; status is that of the answer.
func (b *browser) terminal(query string) (conn *websocket.Conn, status int) {
	b.t.Helper()
	conn, res, err := websocket.Dial(b.t.Context(), b.base+"/vms/web/sessions/agent/attach?"+query, &websocket.DialOptions{
		HTTPClient: b.http, Host: b.host, HTTPHeader: http.Header{"Origin": {"http://" + b.host}},
	})
	if res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	if err != nil {
		if res == nil {
			b.t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	b.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, http.StatusSwitchingProtocols
}

// ends reads until the console has closed the connection, and says how.
func ends(t *testing.T, conn *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			if ctx.Err() != nil {
				t.Fatal("it goes on")
			}
			return websocket.CloseStatus(err)
		}
	}
}

func TestATerminalsMessagesAreBounded(t *testing.T) {
	b := open(t)
	b.api.attach = silent(t)
	conn, _ := b.terminal("")
	// The console may cut while this is written.
	_ = conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 64<<10+1))
	if code := ends(t, conn); code != websocket.StatusMessageTooBig {
		t.Errorf("a message over 64 KiB ends it with %v", code)
	}
}

// What a page of the console would never send ends the terminal.
func TestATerminalTakesOnlyWhatItsPageSends(t *testing.T) {
	b := open(t)
	b.api.attach = silent(t)
	for name, send := range map[string]struct {
		query string
		kind  websocket.MessageType
		data  string
	}{
		"input to one that is only read": {"read-only=yes", websocket.MessageBinary, "x"},
		"no JSON":                        {"", websocket.MessageText, "x"},
		"more drawn than was sent":       {"", websocket.MessageText, `{"drawn":1}`},
		"less than nothing drawn":        {"", websocket.MessageText, `{"drawn":-1}`},
	} {
		conn, _ := b.terminal(send.query)
		if err := conn.Write(t.Context(), send.kind, []byte(send.data)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ends(t, conn)
	}
}

func TestOpenTerminalsAreBounded(t *testing.T) {
	b := open(t)
	b.api.attach = silent(t)
	const most = 12
	for range most {
		if _, status := b.terminal(""); status != http.StatusSwitchingProtocols {
			t.Fatal(status)
		}
	}
	if _, status := b.terminal(""); status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", status)
	}
}

// What a browser has open ends with its session: a shell that is signed out takes no more.
func TestSigningOutEndsWhatIsOpen(t *testing.T) {
	b := open(t)
	b.api.attach = silent(t)
	conn, _ := b.terminal("")
	page, _ := b.live("page=dashboard")
	if n, err := b.console.SignOut(); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	ends(t, conn)
	for page.lines.Scan() {
	}
	if err := page.lines.Err(); err != nil {
		t.Errorf("the stream of the page: %v", err)
	}
	b.get("/", http.StatusUnauthorized)
}
