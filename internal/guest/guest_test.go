package guest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guest"
	"github.com/bangervm/banger/internal/statedir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driver is a hybrid vsock socket with serve behind every connection.
func driver(t *testing.T, serve func(c net.Conn, in *bufio.Reader)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vsock.sock")
	l, err := statedir.ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c, bufio.NewReader(c))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return path
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// answering accepts CONNECT and answers every request with response.
func answering(t *testing.T, response string) guest.Client { return following(t, response, nil) }

// following is answering, which then passes on all that follows the request, if
// rest is not nil.
func following(t *testing.T, response string, rest chan<- []byte) guest.Client {
	return guest.Client{Token: "sesame", Socket: driver(t, func(c net.Conn, in *bufio.Reader) {
		line, err := in.ReadString('\n')
		if err != nil || line != "CONNECT 1025\n" {
			t.Errorf("the driver read %q, %v", line, err)
			return
		}
		_, _ = io.WriteString(c, "OK 1073741824\n")
		req, err := http.ReadRequest(in)
		if err != nil {
			t.Errorf("the agent read no request: %v", err)
			return
		}
		if got := req.Header.Get("Authorization"); got != "Bearer sesame" {
			t.Errorf("Authorization = %q", got)
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if strings.HasPrefix(response, dialed) && req.Header.Get("Upgrade") != agentrpc.DialProtocol { // as an older agent
			_, _ = io.WriteString(c, "HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nUpgrade: "+agentrpc.DialProtocol+"\r\n\r\n{}")
			return
		}
		_, _ = io.WriteString(c, response)
		if rest != nil {
			data, _ := io.ReadAll(in)
			rest <- data
		}
	})}
}

func dial(ctx context.Context, path string, port uint32) (net.Conn, error) {
	return guest.Client{VM: "web", Socket: path}.Dial(ctx, port)
}

func TestDialKeepsWhatFollowsTheAnswer(t *testing.T) {
	path := driver(t, func(c net.Conn, in *bufio.Reader) {
		line, _ := in.ReadString('\n')
		_, _ = fmt.Fprintf(c, "OK 9\n%s", strings.TrimPrefix(line, "CONNECT "))
	})
	c, err := dial(within(t), path, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "4711\n" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestDialRefusesWhatIsNoAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"closed": "", "error": "ERR 7\n", "no number": "OK x\n", "endless": strings.Repeat("O", 4096), "half": "OK 1",
	} {
		t.Run(name, func(t *testing.T) {
			path := driver(t, func(c net.Conn, in *bufio.Reader) {
				_, _ = in.ReadString('\n')
				_, _ = io.WriteString(c, answer)
			})
			if c, err := dial(within(t), path, 1); !errors.Is(err, fault.Unavailable) {
				t.Errorf("Dial = %v, %v; want Unavailable", c, err)
			}
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := driver(t, func(_ net.Conn, in *bufio.Reader) {
		_, _ = in.ReadString('\n')
		cancel()
		_, _ = in.ReadByte() // until the client is gone
	})
	if c, err := dial(ctx, path, 1); !errors.Is(err, fault.Canceled) {
		t.Errorf("Dial = %v, %v; want Canceled", c, err)
	}
}

// TestDialInTime: users read that the guest is late, and no words of Go's.
func TestDialInTime(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	path := driver(t, func(net.Conn, *bufio.Reader) {})
	if c, err := dial(ctx, path, 1); !errors.Is(err, fault.Unavailable) || err.Error() != "the guest does not answer in time" ||
		fault.HintOf(err).String() != "look at its console: vm logs web" {
		t.Errorf("Dial = %v, %v; want that the guest does not answer in time", c, err)
	}
}

func TestDialWithoutAMachine(t *testing.T) {
	if c, err := dial(within(t), filepath.Join(t.TempDir(), "none"), 1); !errors.Is(err, fault.Unavailable) {
		t.Errorf("Dial = %v, %v; want Unavailable", c, err)
	}
}

func TestHealth(t *testing.T) {
	c := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{\"ready\":true,\"init\":\"systemd\"}\n")
	got, err := c.Health(within(t))
	if err != nil || !got.Ready || got.Init != "systemd" {
		t.Errorf("Health = %+v, %v", got, err)
	}
}

func TestAnswersOfAHostileGuest(t *testing.T) {
	for name, tc := range map[string]struct {
		response string
		want     fault.Code
	}{
		"garbage":      {"\x00\x01\x02", fault.Unavailable},
		"endless head": {"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 10_000), fault.Unavailable},
		"no json":      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{", fault.Unavailable},
		"refused":      {"HTTP/1.1 401 X\r\nConnection: close\r\n\r\n{\"code\":\"permission_denied\",\"message\":\"no token\"}", fault.PermissionDenied},
		"made-up code": {"HTTP/1.1 500 X\r\nConnection: close\r\n\r\n{\"code\":\"root me\",\"message\":\"hey\"}", fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			if h, err := answering(t, tc.response).Health(within(t)); !errors.Is(err, tc.want) {
				t.Errorf("Health = %+v, %v; want %s", h, err, tc.want)
			}
		})
	}
}

func TestExecKeepsFramesThatCameWithTheAnswer(t *testing.T) {
	c := answering(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: banger-exec-v1\r\n\r\n\x07\x00\x00\x00\x04\x00\x00\x00\x2a")
	conn, err := c.Exec(within(t), agentrpc.ExecRequest{Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ft, payload, err := agentrpc.ReadFrame(conn, nil)
	if err != nil || ft != agentrpc.FrameExit || string(payload) != "\x00\x00\x00\x2a" {
		t.Errorf("frame = %d %q, %v", ft, payload, err)
	}
}

func TestExecRefused(t *testing.T) {
	c := answering(t, "HTTP/1.1 503 X\r\nConnection: close\r\n\r\n{\"code\":\"unavailable\",\"message\":\"not yet ok\"}")
	if conn, err := c.Exec(within(t), agentrpc.ExecRequest{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("Exec = %v, %v; want Unavailable", conn, err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("OK 1\nHTTP/1.1 200 OK\r\n\r\n{}"))
	f.Add([]byte("OK 1\nHTTP/1.1 101 S\r\nUpgrade: banger-exec-v1\r\n\r\n\x07\x00\x00\x00\x04abcd"))
	f.Add([]byte("OK 1\nHTTP/1.1 101 S\r\nUpgrade: banger-dial-v1\r\n\r\n\x00\x04abcd\x00"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		path := driver(t, func(c net.Conn, in *bufio.Reader) {
			_, _ = in.ReadString('\n')
			_, _ = c.Write(answer)
		})
		c := guest.Client{Socket: path}
		_, _ = c.Health(within(t))
		if conn, err := c.Exec(within(t), agentrpc.ExecRequest{}); err == nil {
			_, _, _ = agentrpc.ReadFrame(conn, nil)
			_ = conn.Close()
		}
		if owner, err := c.SocketOwner(within(t), "tcp", 1); err == nil && len(owner.Command) > 1<<10 {
			t.Errorf("an owner of %d bytes", len(owner.Command))
		}
		if conn, err := c.DialGuest(within(t), agentrpc.DialRequest{Network: "udp", Address: "127.0.0.1:1"}); err == nil {
			_, _ = conn.Read(make([]byte, 100))
			_ = conn.Close()
		}
	})
}
