package dns

import (
	"errors"

	"golang.org/x/net/dns/dnsmessage"
)

// maxAliases is how many names a chain of CNAMEs may have.
const maxAliases = 16

// sift takes of an upstream's response what answers the question: the aliases
// that lead from its name, and the records of its type where they end; or, if
// there are none, the zone's record that says for how long. All records get the
// time of the shortest one, so that the guest keeps none longer than its address
// is allowed. aliases are the names that the aliases lead to.
func sift(q *query, response *dnsmessage.Message) (out answer, aliases []string) {
	out.code = response.RCode
	at := q.question.Name
	for range maxAliases {
		alias, ok := aliasOf(at, response.Answers)
		if !ok || q.question.Type == dnsmessage.TypeCNAME {
			break
		}
		target := alias.Body.(*dnsmessage.CNAMEResource).CNAME
		alias.Header.Name = at
		out.records = append(out.records, alias)
		at = target
		aliases = append(aliases, nameOf(at))
	}
	found := false
	for _, r := range response.Answers {
		if r.Header.Type != q.question.Type || r.Header.Class != dnsmessage.ClassINET || !sameName(r.Header.Name, at) || !fit(&r, at) {
			continue
		}
		r.Header.Name = at
		out.records = append(out.records, r)
		found = true
	}
	sameTTL(out.records)
	if found {
		return out, aliases
	}
	for _, r := range response.Authorities {
		if r.Header.Type == dnsmessage.TypeSOA && r.Header.Class == dnsmessage.ClassINET {
			r.Header.TTL = min(r.Header.TTL, maxTTL)
			out.authority = []dnsmessage.Resource{r}
			break
		}
	}
	return out, aliases
}

func aliasOf(name dnsmessage.Name, records []dnsmessage.Resource) (dnsmessage.Resource, bool) {
	for _, r := range records {
		if r.Header.Type == dnsmessage.TypeCNAME && r.Header.Class == dnsmessage.ClassINET && sameName(r.Header.Name, name) {
			return r, true
		}
	}
	return dnsmessage.Resource{}, false
}

func sameTTL(records []dnsmessage.Resource) {
	ttl := uint32(maxTTL)
	for _, r := range records {
		ttl = min(ttl, r.Header.TTL)
	}
	for i := range records {
		records[i].Header.TTL = ttl
	}
}

// fit takes out of a service binding what would lead around the policy: the key
// to encrypt the SNI, and addresses, which the guest learns by A and AAAA. One
// that names another host, or cannot be understood without what was taken out, is
// no answer: the guest does without.
func fit(r *dnsmessage.Resource, owner dnsmessage.Name) bool {
	var binding *dnsmessage.SVCBResource
	switch body := r.Body.(type) {
	case *dnsmessage.SVCBResource:
		binding = body
	case *dnsmessage.HTTPSResource:
		binding = &body.SVCBResource
	default:
		return true
	}
	if binding.Priority == 0 || binding.Target.Length > 1 && !sameName(binding.Target, owner) {
		return false
	}
	for _, key := range []dnsmessage.SVCParamKey{dnsmessage.SVCParamECH, dnsmessage.SVCParamIPv4Hint, dnsmessage.SVCParamIPv6Hint} {
		binding.DeleteParam(key)
	}
	_, mandatory := binding.GetParam(dnsmessage.SVCParamMandatory)
	return !mandatory
}

var errResponse = errors.New("the packet is not a response to the query")

// parseResponse reads an upstream's packet, which must be the response to the
// query with this id: anybody may have sent it. Of the records it reads the answers
// and authorities.
func parseResponse(packet []byte, id uint16, question dnsmessage.Question) (*dnsmessage.Message, error) {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || !header.Response || header.ID != id || header.OpCode != 0 {
		return nil, errResponse
	}
	m := &dnsmessage.Message{Header: header}
	m.Questions, err = p.AllQuestions()
	if err != nil || len(m.Questions) != 1 || m.Questions[0].Type != question.Type ||
		m.Questions[0].Class != question.Class || !sameName(m.Questions[0].Name, question.Name) {
		return nil, errResponse
	}
	if header.Truncated {
		return m, nil
	}
	if m.Answers, err = p.AllAnswers(); err != nil {
		return nil, err
	}
	if m.Authorities, err = p.AllAuthorities(); err != nil {
		return nil, err
	}
	return m, nil
}
