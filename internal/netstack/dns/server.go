// Package dns answers a guest's DNS queries: only for names that its egress
// policy lets it ask, and remembers which addresses it learned by which names.
// The queries are passed on to the host's resolvers, made again: nothing of the
// guest's packet but the name and the type leaves, and of an answer only the
// records that belong to the question come back. Messages are those of RFC 1035,
// with EDNS (RFC 6891) and service bindings (RFC 9460).
package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/egress"
)

// Limits to give to Answer.
const (
	Stream   = 65535 // over TCP
	Datagram = 4096  // over UDP, if the query says by EDNS that it takes that much
)

const (
	// maxQuery is far more than one question and EDNS options take.
	maxQuery = 4096
	// minTTL and maxTTL bound, in seconds, how long an address may be used that
	// came in an answer. The guest is told no more than maxTTL.
	minTTL = 5
	maxTTL = 3600
	// localTTL is for names answered here: they may move with a VM.
	localTTL = minTTL
	// inFlight are the queries at the upstreams at once; waiting may be as many
	// that are in flight or wait for that.
	inFlight = 64
	waiting  = 2048
)

// Config is what a Server stands on. Its functions may be called by several
// goroutines at once.
type Config struct {
	Policy func() egress.Policy
	// Upstreams are the host's resolvers in the order in which to try them; the
	// first few are used.
	Upstreams func() []netip.AddrPort
	// Local gives the addresses of names that are answered here, like web.vm.
	// Nil: there are none.
	Local func(name string) (addrs []netip.Addr, known bool)
	// Dial reaches an upstream, by "udp" or "tcp". Nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Denied is told of each name that was asked and is denied, or whose addresses
	// are. It must not wait. Nil: nobody is.
	Denied func(name string, v egress.Verdict)
	// Asked is told of each name that an upstream is asked for. It must not wait.
	// Nil: nobody is.
	Asked func(name string, v egress.Verdict)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Server answers the queries of one VM.
type Server struct {
	config Config
	names  *names
	slots  chan struct{} // one for each query in flight
	queue  chan struct{} // one for each in flight or waiting
}

// New makes a server.
func New(config Config) *Server {
	if config.Local == nil {
		config.Local = func(string) ([]netip.Addr, bool) { return nil, false }
	}
	if config.Dial == nil {
		config.Dial = new(net.Dialer).DialContext
	}
	if config.Denied == nil {
		config.Denied = func(string, egress.Verdict) {}
	}
	if config.Asked == nil {
		config.Asked = func(string, egress.Verdict) {}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Server{
		config: config, names: newNames(config.Now),
		slots: make(chan struct{}, inFlight), queue: make(chan struct{}, waiting),
	}
}

// Names are the names by which the guest learned the address, and whose time is
// not over: lower case, without the last dot, the latest last.
func (s *Server) Names(addr netip.Addr) []string { return s.names.of(addr.Unmap()) }

// Lapsed are the names by which the guest learned the address, and whose time is
// over, the latest last.
func (s *Server) Lapsed(addr netip.Addr) []Lapsed { return s.names.lapsed(addr.Unmap()) }

// Hold keeps an address among those of a name that it has until release is called,
// and some minutes after: while there is a connection by it, and for the next one.
func (s *Server) Hold(addr netip.Addr, name string) (release func()) {
	return s.names.hold(addr.Unmap(), name)
}

// Busy is the reply to a guest's packet if there are too many: that the server
// fails, so that the guest need not wait to learn of it. nil means that there is none.
func Busy(packet []byte) []byte {
	q, code := parseQuery(packet, 0)
	if q == nil {
		return nil
	}
	if code == dnsmessage.RCodeSuccess {
		code = dnsmessage.RCodeServerFailure
	}
	return q.reply(answer{code: code})
}

// Answer is the reply to a guest's packet; nil means that there is none. limit is
// what the transport carries: Stream, or else a datagram's bytes; in a datagram
// the reply is no longer than the query says by EDNS, or 512 bytes, and says so if
// it is cut. Answer ends some seconds after it began at the latest, whatever the
// upstreams do.
func (s *Server) Answer(ctx context.Context, packet []byte, limit int) []byte {
	q, code := parseQuery(packet, limit)
	if q == nil {
		return nil
	}
	if code != dnsmessage.RCodeSuccess {
		return q.reply(answer{code: code})
	}
	return q.reply(s.answer(ctx, q))
}

// answer is what is replied to a query.
type answer struct {
	code      dnsmessage.RCode
	records   []dnsmessage.Resource
	authority []dnsmessage.Resource // for how long there is nothing
}

func (s *Server) answer(ctx context.Context, q *query) answer {
	if !answered(q.question.Type) || q.question.Class != dnsmessage.ClassINET || q.question.Name.Length <= 1 {
		return answer{code: dnsmessage.RCodeRefused}
	}
	if out, ok := s.local(q); ok {
		return out
	}
	policy := s.config.Policy()
	v := policy.Resolves(q.name)
	if v.Allow && !v.ByName && ofTheLocalNetwork(q.name) {
		v = egress.Verdict{Rule: egress.GroundReserved + ": name of the host's network"}
	}
	if !v.Allow {
		s.config.Denied(q.name, v)
		return answer{code: dnsmessage.RCodeNameError}
	}
	s.config.Asked(q.name, v)
	response, err := s.exchange(ctx, q)
	if err != nil {
		return answer{code: dnsmessage.RCodeServerFailure}
	}
	out, aliases := sift(q, response)
	for _, alias := range aliases {
		// A name that is denied is denied behind another one too.
		if v := policy.Resolves(alias); !v.Allow && v.ByName {
			s.config.Denied(alias, v)
			return answer{code: dnsmessage.RCodeNameError}
		}
	}
	out.records = s.reachable(q, policy, out.records)
	s.learn(q, out.records)
	return out
}

// reachable takes out the addresses that only a rule which names them opens, when
// there is none: they would tell the guest of the host's network.
func (s *Server) reachable(q *query, policy egress.Policy, records []dnsmessage.Resource) []dnsmessage.Resource {
	var denied egress.Verdict
	kept := slices.DeleteFunc(records, func(r dnsmessage.Resource) bool {
		var addr netip.Addr
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			addr = netip.AddrFrom4(body.A)
		case *dnsmessage.AAAAResource:
			addr = netip.AddrFrom16(body.AAAA).Unmap()
		default:
			return false
		}
		v := policy.Tells(addr)
		if !v.Allow {
			denied = v
		}
		return !v.Allow
	})
	if denied.Rule != "" {
		s.config.Denied(q.name, denied)
	}
	return kept
}

// answered are the types of records that a guest may ask for.
func answered(t dnsmessage.Type) bool {
	switch t {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeCNAME, dnsmessage.TypeMX, dnsmessage.TypeTXT,
		dnsmessage.TypeSRV, dnsmessage.TypePTR, dnsmessage.TypeNS, dnsmessage.TypeSOA,
		dnsmessage.TypeSVCB, dnsmessage.TypeHTTPS, typeSSHFP, typeTLSA, typeCAA:
		return true
	default:
		return false
	}
}

// Types that dnsmessage has no names for, from IANA's registry. They have no
// compressed names in them.
const (
	typeSSHFP dnsmessage.Type = 44
	typeTLSA  dnsmessage.Type = 52
	typeCAA   dnsmessage.Type = 257
)

// learn remembers the addresses of an answer.
func (s *Server) learn(q *query, records []dnsmessage.Resource) {
	for _, r := range records {
		ttl := time.Duration(max(r.Header.TTL, minTTL)) * time.Second
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			s.names.add(netip.AddrFrom4(body.A), q.name, ttl)
		case *dnsmessage.AAAAResource:
			s.names.add(netip.AddrFrom16(body.AAAA).Unmap(), q.name, ttl)
		}
	}
}
