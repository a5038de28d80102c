package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// splice returns what answers 101 and then passes bytes between the client and
// guest, which it closes, until both directions have ended or one has failed. What
// the daemon's end would cut for good is named by what, in a user's words; empty:
// the client goes on with it by itself.
func (s *Server) splice(guest net.Conn, protocol, what string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
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
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-s.ending:
				_ = client.Close()
				_ = guest.Close()
			case <-done:
			}
		}()
		passBoth(client, early.Reader, guest)
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

// passBoth copies both ways. The end of one direction is passed on as such,
// and the other goes on; an error ends both.
func passBoth(client net.Conn, early *bufio.Reader, guest net.Conn) {
	var both sync.WaitGroup
	abort := func() {
		_ = client.Close()
		_ = guest.Close()
	}
	both.Go(func() {
		if pass(guest, early, client) != nil {
			abort()
		}
	})
	both.Go(func() {
		if pass(client, nil, guest) != nil {
			abort()
		}
	})
	both.Wait()
}

// pass copies from src, of which early holds the first bytes (or is nil), to
// dst, and then closes dst for writing.
func pass(dst net.Conn, early *bufio.Reader, src net.Conn) error {
	if early != nil && early.Buffered() > 0 {
		if _, err := io.CopyN(dst, early, int64(early.Buffered())); err != nil {
			return err
		}
	}
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return dst.Close()
}
