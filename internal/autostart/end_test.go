package autostart

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// A daemon may be killed, or hang, while it is asked to end: neither keeps the
// one who asks, and the lock to start another, for ever.
func TestADaemonIsAskedToEnd(t *testing.T) {
	for name, c := range map[string]struct {
		answer string // empty: the connection breaks
		hangs  bool
		refuse error
		want   error
	}{
		"agrees":               {answer: "HTTP/1.1 204 No Content\r\n\r\n"},
		"is busy":              {answer: "HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n{\"code\":\"busy\",\"message\":\"busy\"}", want: fault.Busy},
		"dies":                 {},
		"dies while it agrees": {answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"},
		"is dead":              {refuse: syscall.ECONNREFUSED, want: client.ErrNoDaemon},
		"hangs":                {hangs: true, want: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := client.New("socket")
				defer asked.Close()
				asked.Dial = func(context.Context) (net.Conn, error) {
					if c.refuse != nil {
						return nil, c.refuse
					}
					here, there := net.Pipe()
					go func() {
						defer func() { _ = there.Close() }()
						if r, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
							_, _ = io.Copy(io.Discard, r.Body)
						}
						if c.hangs {
							_, _ = there.Read(make([]byte, 1)) // until the other end is closed
						}
						_, _ = io.WriteString(there, c.answer)
					}()
					return here, nil
				}
				began := time.Now()
				if err := askToEnd(t.Context(), asked, false); !errors.Is(err, c.want) {
					t.Errorf("%v; want %v", err, c.want)
				}
				if took := time.Since(began); took > pingTimeout {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
