// Package hostdns answers DNS on this host for names of VMs: NAME.vm is the
// address of the VM NAME on the host. For every program to find such names,
// the host's resolver must forward the domain "vm" here.
//
// A question for an address of a VM that exists is answered; for anything else
// of such a VM there is nothing (NOERROR without records), for other names below
// .vm there is no such name (NXDOMAIN), and all others are REFUSED. There is no
// SOA record with a negative answer, so that no resolver caches it: a VM may be
// made the next moment.
package hostdns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

const (
	// maxConns bounds the TCP connections at once, maxQueries the queries of one.
	maxConns   = 32
	maxQueries = 64
	// idle bounds how long a connection may take for its next query, or to take
	// an answer.
	idle = 10 * time.Second
	// findLimit bounds the finding of a VM.
	findLimit = 2 * time.Second
)

// Find returns the address on this host of the VM called name; false when there
// is no such VM. An error is told to who asked as a failure of the server.
type Find func(ctx context.Context, name string) (netip.Addr, bool, error)

// Server answers on one address, over UDP and TCP.
type Server struct {
	find   Find
	log    *slog.Logger
	addr   netip.AddrPort
	packet net.PacketConn
	stream net.Listener

	ctx     context.Context //nolint:containedctx // the server's whole life
	cancel  context.CancelFunc
	serving sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]struct{} // nil: closed
}

// Listen begins to answer at addr; port 0 means any that is free. Close ends it.
// Conflict when something else has the port.
func Listen(ctx context.Context, addr netip.AddrPort, find Find, log *slog.Logger) (*Server, error) {
	var lc net.ListenConfig
	stream, err := lc.Listen(ctx, "tcp4", addr.String())
	if err != nil {
		return nil, fault.Wrap(fault.Conflict, err, "cannot answer for VM names at %s", addr).
			WithHint("set names_port in config.toml to a free port, or to 0")
	}
	addr = stream.Addr().(*net.TCPAddr).AddrPort()
	packet, err := lc.ListenPacket(ctx, "udp4", addr.String())
	if err != nil {
		return nil, errors.Join(fault.Wrap(fault.Conflict, err, "cannot answer for VM names at %s", addr).
			WithHint("set names_port in config.toml to a free port, or to 0"), stream.Close())
	}
	s := &Server{find: find, log: log, addr: addr, packet: packet, stream: stream, conns: map[net.Conn]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.serving.Go(s.servePackets)
	s.serving.Go(s.serveStreams)
	return s, nil
}

// Addr is where the server answers.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Close ends the server and all its connections.
func (s *Server) Close() error {
	s.cancel()
	err := errors.Join(s.packet.Close(), s.stream.Close())
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.serving.Wait()
	return err
}

func (s *Server) servePackets() {
	buf := make([]byte, maxQuery)
	for {
		n, from, err := s.packet.ReadFrom(buf)
		if s.ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Debug("names: a packet was not read", "error", err)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if reply := answer(s.ctx, buf[:n], s.find); reply != nil {
			_, _ = s.packet.WriteTo(reply, from)
		}
	}
}

func (s *Server) serveStreams() {
	turns := make(chan struct{}, maxConns)
	for {
		select {
		case turns <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		conn, err := s.stream.Accept()
		if err != nil || !s.keep(conn) {
			<-turns
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.rest()
			continue
		}
		s.serving.Go(func() {
			defer func() { <-turns }()
			defer s.drop(conn)
			if err := s.serveConn(conn); err != nil && !errors.Is(err, io.EOF) {
				s.log.Debug("names: a connection ended", "error", err)
			}
		})
	}
}

// rest keeps a failing Accept (no descriptors are left) from spinning.
func (s *Server) rest() {
	ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

func (s *Server) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		_ = conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *Server) drop(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// serveConn answers queries that each come behind their length in two bytes.
func (s *Server) serveConn(conn net.Conn) error {
	buf := make([]byte, maxQuery)
	for range maxQueries {
		if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, buf[:2]); err != nil {
			return err
		}
		size := int(buf[0])<<8 | int(buf[1])
		if size > maxQuery {
			return fmt.Errorf("a query of %d bytes", size)
		}
		if _, err := io.ReadFull(conn, buf[:size]); err != nil {
			return err
		}
		reply := answer(s.ctx, buf[:size], s.find)
		if reply == nil {
			return errors.New("no query")
		}
		if _, err := conn.Write(append([]byte{byte(len(reply) >> 8), byte(len(reply))}, reply...)); err != nil {
			return err
		}
	}
	return nil
}
