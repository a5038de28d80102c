package dns

import (
	"sort"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/egress"
)

// query is a guest's question.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question // the name as the guest wrote it
	name     string              // canonical; quoted if it is no name of a host
	asked    bool                // there is a question
	edns     bool
	size     int // of the reply, at most
}

// parseQuery reads a guest's packet. Nil: it deserves no answer. A code other than
// success is the answer.
func parseQuery(packet []byte, limit int) (*query, dnsmessage.RCode) {
	if len(packet) > maxQuery {
		return nil, 0
	}
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || header.Response {
		return nil, 0
	}
	q := &query{header: header, size: 512}
	if header.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return q, dnsmessage.RCodeFormatError
	}
	q.question, q.asked = questions[0], true
	q.name = nameOf(q.question.Name)
	payload, err := q.options(&p)
	if err != nil {
		return q, dnsmessage.RCodeFormatError
	}
	switch {
	case limit >= Stream:
		q.size = Stream
	case payload > q.size:
		q.size = min(payload, Datagram)
		if limit > 512 {
			q.size = min(q.size, limit)
		}
	}
	return q, dnsmessage.RCodeSuccess
}

// options looks for EDNS behind the question: the bytes that the guest takes. EDNS
// that asks for signatures (RFC 3225) is answered as by a server that knows no EDNS:
// there are none here, and a resolver that validates where it can
// (systemd-resolved's DNSSEC=allow-downgrade) would take any EDNS for them, and
// refuse what is not signed.
func (q *query) options(p *dnsmessage.Parser) (payload int, err error) {
	if err := p.SkipAllAnswers(); err != nil {
		return 0, err
	}
	if err := p.SkipAllAuthorities(); err != nil {
		return 0, err
	}
	extras, err := p.AllAdditionals()
	if err != nil {
		return 0, err
	}
	for _, r := range extras {
		if r.Header.Type == dnsmessage.TypeOPT && !r.Header.DNSSECAllowed() {
			q.edns, payload = true, int(r.Header.Class)
		}
	}
	return payload, nil
}

// nameOf is a name as egress has it. One that no policy could be about is quoted,
// fit for a log, and denied.
func nameOf(n dnsmessage.Name) string {
	if name, ok := egress.CanonicalName(n.String()); ok {
		return name
	}
	return strconv.QuoteToASCII(n.String())
}

func sameName(a, b dnsmessage.Name) bool { return strings.EqualFold(a.String(), b.String()) }

// reply writes the answer to the query. One that is too long is cut to the records
// that fit: C libraries that do not ask again by TCP (musl before 1.2.4) do with those.
func (q *query) reply(a answer) []byte {
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.header.ID, Response: true, OpCode: q.header.OpCode,
			RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true, RCode: a.code,
		},
		Answers: a.records, Authorities: a.authority,
	}
	if q.asked {
		m.Questions = []dnsmessage.Question{q.question}
	}
	if q.edns {
		m.Additionals = []dnsmessage.Resource{ednsOption()}
	}
	out, err := m.Pack()
	if err == nil && len(out) <= q.size {
		return out
	}
	m.Answers, m.Authorities = nil, nil
	if err != nil {
		m.RCode = dnsmessage.RCodeServerFailure
	} else {
		m.Truncated = true
		m.Answers = a.records[:q.fitting(m, a.records)]
	}
	if out, err = m.Pack(); err != nil {
		return nil
	}
	return out
}

// fitting is how many of the records have room in the reply m.
func (q *query) fitting(m dnsmessage.Message, records []dnsmessage.Resource) int {
	return sort.Search(len(records), func(n int) bool {
		m.Answers = records[:n+1]
		out, err := m.Pack()
		return err != nil || len(out) > q.size
	})
}

// ednsOption says how much is taken here in one datagram: what no network
// fragments (dnsflagday.net/2020).
func ednsOption() dnsmessage.Resource {
	r := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
	r.Header.Name = dnsmessage.MustNewName(".")
	r.Header.Type = dnsmessage.TypeOPT
	r.Header.Class = 1232
	return r
}
