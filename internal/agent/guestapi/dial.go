package guestapi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/httpjson"
	"github.com/bangervm/banger/internal/stream"
)

const (
	// dialTimeout bounds a connection's setup.
	dialTimeout = 10 * time.Second
	// lingerTimeout is how long a target may say nothing once the host has ended
	// its half, or is gone: the two cannot be told apart.
	lingerTimeout = 5 * time.Minute
)

// maxUnixPath bounds a socket's path, in bytes: unix(7), less the final zero.
const maxUnixPath = len(unix.RawSockaddrUnix{}.Path) - 1

// serveSocket answers which process has a local port.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authorised(w, r); !ok {
		return
	}
	proto := r.URL.Query().Get("proto")
	port, err := strconv.ParseUint(r.URL.Query().Get("port"), 10, 16)
	if err != nil || proto != "tcp" && proto != "udp" {
		replyError(w, http.StatusUnprocessableEntity, "invalid", "a socket has proto tcp or udp, and a port")
		return
	}
	httpjson.Answer(w, http.StatusOK, s.owner(proto, uint16(port)))
}

// serveDial connects the stream to something in the guest.
func (s *Server) serveDial(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authorised(w, r); !ok {
		return
	}
	protocol := agentrpc.FramedDialProtocol
	if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
		protocol = agentrpc.DialProtocol
		if !wants(w, r, "dial", protocol) {
			return
		}
	}
	req, ok := decodeBody[agentrpc.DialRequest](w, r)
	if !ok {
		return
	}
	err := checkDial(req)
	if err == nil && req.Network == "udp" && protocol != agentrpc.DialProtocol {
		err = fmt.Errorf("udp needs Upgrade: %s", agentrpc.DialProtocol)
	}
	if err != nil {
		replyError(w, http.StatusUnprocessableEntity, "invalid", err.Error())
		return
	}
	d := net.Dialer{Timeout: dialTimeout}
	target, err := d.DialContext(r.Context(), req.Network, req.Address)
	if err != nil {
		replyError(w, http.StatusServiceUnavailable, "unavailable", err.Error())
		return
	}
	defer func() { _ = target.Close() }()
	conn, in, ok := s.upgrade(w, protocol, nil)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	conn = stream.Buffered(conn, in)
	if protocol == agentrpc.FramedDialProtocol {
		conn = agentrpc.NewFramed(conn)
	}
	join(r.Context(), conn, target, req.Network == "udp")
}

// checkDial takes what needs no resolver.
func checkDial(req agentrpc.DialRequest) error {
	switch req.Network {
	case "tcp", "udp":
		if a, err := netip.ParseAddrPort(req.Address); err != nil || a.Port() == 0 {
			return fmt.Errorf("%.100q is not an address with a port", req.Address)
		}
	case "unix":
		if !strings.HasPrefix(req.Address, "/") || strings.ContainsRune(req.Address, 0) {
			return fmt.Errorf("%.100q is not an absolute path", req.Address)
		}
		if len(req.Address) > maxUnixPath {
			return fmt.Errorf("the path of a socket has at most %d bytes, this one has %d", maxUnixPath, len(req.Address))
		}
	default:
		return fmt.Errorf("%.20q is not a network: tcp, udp or unix", req.Network)
	}
	return nil
}

// join passes on between the host's connection and the target, until both
// directions have ended or one has failed.
func join(ctx context.Context, host, target net.Conn, datagrams bool) {
	answering := stream.NewLingering(target, lingerTimeout)
	out := func() error { return stream.Copy(target, host) }
	back := func() error { return stream.Copy(host, answering) }
	if datagrams {
		out = func() error { return sendDatagrams(target, host) }
		back = func() error { return receiveDatagrams(host, answering) }
	}
	asking := func() error {
		defer answering.Linger()
		return out()
	}
	_ = stream.Both(ctx, asking, back, func(error) { // each end sees it
		_ = host.Close()
		_ = target.Close()
	})
}

// sendDatagrams sends what comes in frames. The host's end is the end of all:
// nobody takes an answer any more.
func sendDatagrams(target net.Conn, host io.Reader) error {
	var head [2]byte
	buf := make([]byte, 1<<16)
	for {
		if _, err := io.ReadFull(host, head[:]); err != nil {
			return err
		}
		p := buf[:binary.BigEndian.Uint16(head[:])]
		if _, err := io.ReadFull(host, p); err != nil {
			return err
		}
		_, err := target.Write(p)
		if errors.Is(err, net.ErrClosed) {
			return err
		} // else it is lost, as datagrams may be
	}
}

// receiveDatagrams frames what arrives. What the target refuses is lost too:
// each refusal follows from a datagram of the host.
func receiveDatagrams(host net.Conn, target io.Reader) error {
	buf := make([]byte, 2+1<<16)
	for {
		n, err := target.Read(buf[2:])
		if errors.Is(err, unix.ECONNREFUSED) {
			continue
		}
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint16(buf, uint16(n))
		if _, err := host.Write(buf[:2+n]); err != nil {
			return err
		}
	}
}
