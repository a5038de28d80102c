package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/stream"
)

const (
	// exchangeTime is for all attempts together: less than after what resolvers
	// in guests give up (5 s).
	exchangeTime = 4500 * time.Millisecond
	// attemptTime is for one attempt by UDP.
	attemptTime = 1500 * time.Millisecond
	attempts    = 3
	// strays are the packets of an upstream that may be no response to the query.
	strays = 32
)

var (
	errNoUpstream = errors.New("the host has no resolver")
	errBusy       = errors.New("too many queries are waiting")
	errUpstream   = errors.New("the resolver has no answer")
)

// exchange asks the upstreams, one after the other, until one has an answer.
func (s *Server) exchange(ctx context.Context, q *query) (*dnsmessage.Message, error) {
	select {
	case s.queue <- struct{}{}:
		defer func() { <-s.queue }()
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	upstreams := s.config.Upstreams()
	if len(upstreams) == 0 {
		return nil, errNoUpstream
	}
	// The guest's choice of upper and lower case stays here.
	name, err := dnsmessage.NewName(q.name + ".")
	if err != nil {
		return nil, err
	}
	question := dnsmessage.Question{Name: name, Type: q.question.Type, Class: dnsmessage.ClassINET}
	for i := range attempts {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var response *dnsmessage.Message
		if response, err = s.ask(ctx, upstreams[i%len(upstreams)], question); err == nil {
			return response, nil
		}
	}
	return nil, err
}

// ask asks one upstream, by TCP if its answer is too long for UDP.
func (s *Server) ask(ctx context.Context, upstream netip.AddrPort, question dnsmessage.Question) (*dnsmessage.Message, error) {
	response, err := s.askBy(ctx, "udp", upstream, question, true)
	if err == nil && (response.RCode == dnsmessage.RCodeFormatError || response.RCode == dnsmessage.RCodeNotImplemented) {
		// It may be so old that it has no EDNS.
		response, err = s.askBy(ctx, "udp", upstream, question, false)
	}
	if err == nil && response.Truncated {
		response, err = s.askBy(ctx, "tcp", upstream, question, true)
	}
	if err != nil {
		return nil, err
	}
	if response.Truncated || response.RCode != dnsmessage.RCodeSuccess && response.RCode != dnsmessage.RCodeNameError {
		return nil, errUpstream
	}
	return response, nil
}

func (s *Server) askBy(ctx context.Context, network string, upstream netip.AddrPort, question dnsmessage.Question, edns bool) (*dnsmessage.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	id, packet, err := newQuery(question, edns)
	if err != nil {
		return nil, err
	}
	conn, err := s.config.Dial(ctx, network, upstream.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	// The deadline is the context's, and a cancelled context ends the wait too.
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	defer stop()
	if network == "tcp" {
		if packet, err = overStream(conn, packet); err != nil {
			return nil, err
		}
		return parseResponse(packet, id, question)
	}
	return overDatagrams(conn, packet, id, question)
}

// newQuery makes the query for an upstream.
func newQuery(question dnsmessage.Question, edns bool) (id uint16, packet []byte, err error) {
	var random [2]byte
	_, _ = rand.Read(random[:]) // never fails
	id = binary.BigEndian.Uint16(random[:])
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{question},
	}
	if edns {
		m.Additionals = []dnsmessage.Resource{ednsOption()}
	}
	packet, err = m.Pack()
	return id, packet, err
}

// overDatagrams sends the query and waits for its response. It skips datagrams that do
// not answer it.
func overDatagrams(conn net.Conn, packet []byte, id uint16, question dnsmessage.Question) (*dnsmessage.Message, error) {
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buffer := make([]byte, Datagram)
	for range strays {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		response, err := parseResponse(buffer[:n], id, question)
		if err == nil {
			return response, nil
		}
	}
	return nil, errResponse
}

// overStream sends the query and reads one message, each behind its length
// (RFC 1035, 4.2.2).
func overStream(conn net.Conn, packet []byte) ([]byte, error) {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(packet)), uint16(len(packet)))
	if _, err := conn.Write(append(framed, packet...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	out := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, out)
	return out, err
}
