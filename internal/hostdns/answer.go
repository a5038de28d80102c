package hostdns

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// maxQuery bounds a query that is looked at, in bytes. None that asks for one
	// name is bigger; EDNS options may be.
	maxQuery = 4096
	// ttl is how many seconds an answer may be kept: names move when VMs are
	// renamed.
	ttl = 5
	// zone is the domain that is answered for.
	zone = "vm."
)

// answer is the reply to a query, at most 512 bytes; nil: it deserves none. It
// never has EDNS (RFC 6891): a resolver that validates where it can
// (systemd-resolved's DNSSEC=allow-downgrade) would take that for DNSSEC, and
// refuse what is not signed.
func answer(ctx context.Context, query []byte, find Find) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil || head.Response {
		return nil
	}
	reply := dnsmessage.Header{ID: head.ID, Response: true, OpCode: head.OpCode, RecursionDesired: head.RecursionDesired}
	if head.OpCode != 0 {
		reply.RCode = dnsmessage.RCodeNotImplemented
		return build(reply, nil, netip.Addr{})
	}
	question, err := p.Question()
	_, more := p.Question()
	if err != nil || !errors.Is(more, dnsmessage.ErrSectionDone) {
		reply.RCode = dnsmessage.RCodeFormatError
		return build(reply, nil, netip.Addr{})
	}
	var addr netip.Addr
	reply.RCode, addr = resolve(ctx, question, find)
	reply.Authoritative = reply.RCode == dnsmessage.RCodeSuccess || reply.RCode == dnsmessage.RCodeNameError
	return build(reply, &question, addr)
}

// resolve decides. The address is valid only if there is one to be told.
func resolve(ctx context.Context, q dnsmessage.Question, find Find) (dnsmessage.RCode, netip.Addr) {
	name := strings.ToLower(q.Name.String())
	if q.Class != dnsmessage.ClassINET || name != zone && !strings.HasSuffix(name, "."+zone) {
		return dnsmessage.RCodeRefused, netip.Addr{}
	}
	if name == zone {
		return dnsmessage.RCodeSuccess, netip.Addr{}
	}
	label := strings.TrimSuffix(name, "."+zone)
	if strings.ContainsAny(label, ".") {
		return dnsmessage.RCodeNameError, netip.Addr{}
	}
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	addr, ok, err := find(ctx, label)
	switch {
	case err != nil:
		return dnsmessage.RCodeServerFailure, netip.Addr{}
	case !ok:
		return dnsmessage.RCodeNameError, netip.Addr{}
	case q.Type != dnsmessage.TypeA && q.Type != dnsmessage.TypeALL:
		return dnsmessage.RCodeSuccess, netip.Addr{}
	}
	return dnsmessage.RCodeSuccess, addr
}

func build(head dnsmessage.Header, q *dnsmessage.Question, addr netip.Addr) []byte {
	b := dnsmessage.NewBuilder(nil, head)
	b.EnableCompression()
	ok := true
	note := func(err error) { ok = ok && err == nil }
	if q != nil {
		note(b.StartQuestions())
		note(b.Question(*q))
	}
	if addr.Is4() {
		note(b.StartAnswers())
		note(b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl}, dnsmessage.AResource{A: addr.As4()}))
	}
	reply, err := b.Finish()
	if err != nil || !ok {
		return nil
	}
	return reply
}
