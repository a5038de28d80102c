package server

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/stream"
)

// splice returns what answers 101 and then passes bytes between the client and
// guest, which it closes, until both directions have ended or one has failed. What
// the daemon's end would cut for good is named by what, in a user's words; empty:
// the client goes on with it by itself.
func (s *Server) splice(guest net.Conn, protocol, what string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		s.streams.Add(1)
		defer s.streams.Done()
		if what != "" {
			defer s.relays.add(what)()
		}
		defer func() { _ = guest.Close() }()
		client, early, err := http.NewResponseController(w).Hijack()
		if err != nil {
			problemOf(s.log, fault.Wrap(fault.Internal, err, "cannot take over the connection")).write(w)
			return
		}
		defer func() { _ = client.Close() }()
		_ = client.SetDeadline(time.Time{})
		if err := switchProtocols(early.Writer, protocol, w.Header().Get(api.BuildHeader)); err != nil {
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-s.ending:
				cancel()
			case <-ctx.Done():
			}
		}()
		_ = stream.Join(ctx, stream.Buffered(client, early.Reader), guest) // both ends see how it ended
	}
}

func switchProtocols(w *bufio.Writer, protocol, build string) error {
	_, err := w.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol +
		"\r\n" + api.BuildHeader + ": " + build + "\r\n\r\n")
	if err != nil {
		return err
	}
	return w.Flush()
}
