package dns_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/netstack/dns"
)

const strict = "default deny; deny no.example.org; allow *.example.org; allow example.net"

// records are the reply's answers, short.
func records(m dnsmessage.Message) string {
	var out []string
	for _, r := range m.Answers {
		text := r.Header.Name.String() + " "
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			text += netip.AddrFrom4(body.A).String()
		case *dnsmessage.AAAAResource:
			text += netip.AddrFrom16(body.AAAA).String()
		case *dnsmessage.CNAMEResource:
			text += body.CNAME.String()
		case *dnsmessage.TXTResource:
			text += strings.Join(body.TXT, "+")
		default:
			text += fmt.Sprintf("%T", body)
		}
		out = append(out, fmt.Sprintf("%s %d", text, r.Header.TTL))
	}
	return strings.Join(out, "; ")
}

func wantNames(t *testing.T, f *fixture, addr string, want ...string) {
	t.Helper()
	if got := f.Names(netip.MustParseAddr(addr)); !slices.Equal(got, want) {
		t.Errorf("the names of %s are %q, want %q", addr, got, want)
	}
}

func TestAnswerLearnsAddressesOfAllowedNames(t *testing.T) {
	u := zone(address("a.example.org.", 60, "203.0.113.5"), address("a.example.org.", 60, "2001:db8::5"), address("a.example.org.", 60, "203.0.113.6"))
	f := serve(t, strict, u)
	reply := f.ask(t, "A.eXample.org.", dnsmessage.TypeA)
	if got := records(reply); got != "A.eXample.org. 203.0.113.5 60; A.eXample.org. 203.0.113.6 60" || reply.RCode != 0 || !reply.RecursionAvailable {
		t.Errorf("A: %s, %+v", got, reply.Header)
	}
	wantNames(t, f, "203.0.113.6", "a.example.org")
	wantNames(t, f, "::ffff:203.0.113.6", "a.example.org")
	wantNames(t, f, "2001:db8::5") // was not in the answer
	if got := records(f.ask(t, "a.example.org.", dnsmessage.TypeAAAA)); got != "a.example.org. 2001:db8::5 60" {
		t.Errorf("AAAA: %s", got)
	}
	wantNames(t, f, "2001:db8::5", "a.example.org")
}

func TestAnswerTellsUpstreamOnlyNameAndType(t *testing.T) {
	u := zone(address("a.example.org.", 60, "203.0.113.5"))
	f := serve(t, strict, u)
	q := query("A.eXaMple.oRg.", dnsmessage.TypeA)
	q.CheckingDisabled, q.AuthenticData = true, true
	opt := dnsmessage.Resource{Body: &dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: 10, Data: []byte("covert")}}}}
	if err := opt.Header.SetEDNS0(4000, 0, true); err != nil {
		t.Fatal(err)
	}
	q.Additionals = []dnsmessage.Resource{opt}
	f.send(t, q, dns.Datagram)
	asked, _ := u.asked()
	got := asked[0]
	if got.Questions[0].Name.String() != "a.example.org." || got.CheckingDisabled || got.AuthenticData || !got.RecursionDesired {
		t.Errorf("the upstream was asked %+v", got)
	}
	if o, ok := got.Additionals[0].Body.(*dnsmessage.OPTResource); !ok || len(o.Options) != 0 || len(got.Additionals) != 1 || got.Additionals[0].Header.DNSSECAllowed() {
		t.Errorf("the upstream was sent %+v", got.Additionals)
	}
}

func TestAnswerDeniesNamesWithoutAskingUpstream(t *testing.T) {
	u := zone()
	f := serve(t, strict, u)
	for _, denied := range []string{"evil.example.", "no.example.org.", "example.org.", "5.113.0.203.in-addr.arpa.", "a b.example.org.", "x\x00.example.org."} {
		if reply := f.ask(t, denied, dnsmessage.TypeA); reply.RCode != dnsmessage.RCodeNameError || len(reply.Answers) != 0 {
			t.Errorf("%q: %+v", denied, reply)
		}
	}
	want := []string{
		"evil.example: default deny", "no.example.org: deny no.example.org", "example.org: default deny",
		"5.113.0.203.in-addr.arpa: default deny", `"a b.example.org.": invalid`, `"x\x00.example.org.": invalid`,
	}
	if !slices.Equal(f.denied, want) {
		t.Errorf("denied: %q", f.denied)
	}
	if asked, _ := u.asked(); len(asked) != 0 {
		t.Errorf("the upstream was asked %v", asked)
	}
}

func TestAnswerFollowsAliasesAndNothingElse(t *testing.T) {
	u := zone(
		address("cdn.example.", 300, "203.0.113.5"), // before what leads to it
		cname("www.example.org.", 600, "edge.example."), cname("edge.example.", 30, "cdn.example."),
		address("evil.example.", 300, "203.0.113.66"), address("www.example.org.", 300, "203.0.113.67"),
		cname("other.example.", 300, "cdn.example."),
	)
	f := serve(t, strict, u)
	got := records(f.ask(t, "www.example.org.", dnsmessage.TypeA))
	if want := "www.example.org. edge.example. 30; edge.example. cdn.example. 30; cdn.example. 203.0.113.5 30"; got != want {
		t.Errorf("the answer is %s", got)
	}
	wantNames(t, f, "203.0.113.5", "www.example.org")
	wantNames(t, f, "203.0.113.66")
	wantNames(t, f, "203.0.113.67")
}

func TestAnswerEndsALoopOfAliases(t *testing.T) {
	f := serve(t, strict, zone(cname("a.example.org.", 60, "b.example."), cname("b.example.", 60, "a.example.org.")))
	if reply := f.ask(t, "a.example.org.", dnsmessage.TypeA); len(reply.Answers) != 16 {
		t.Errorf("%d records", len(reply.Answers))
	}
}

func TestAnswerDeniesADeniedNameBehindAnAlias(t *testing.T) {
	f := serve(t, "default allow; deny *.tracker.example", zone(cname("t.example.org.", 60, "x.tracker.example."), address("x.tracker.example.", 60, "203.0.113.5")))
	if reply := f.ask(t, "t.example.org.", dnsmessage.TypeA); reply.RCode != dnsmessage.RCodeNameError || len(reply.Answers) != 0 {
		t.Errorf("the reply is %+v", reply)
	}
	wantNames(t, f, "203.0.113.5")
	if want := []string{"x.tracker.example: deny *.tracker.example"}; !slices.Equal(f.denied, want) {
		t.Errorf("denied: %q", f.denied)
	}
}

func TestAnswerRefusesWhatIsNoQuestionForARecord(t *testing.T) {
	u := zone()
	f := serve(t, "all", u)
	any := query("a.example.org.", dnsmessage.TypeALL)
	axfr := query("a.example.org.", dnsmessage.TypeAXFR)
	chaos := query("version.bind.", dnsmessage.TypeTXT)
	chaos.Questions[0].Class = dnsmessage.ClassCHAOS
	root := query(".", dnsmessage.TypeNS)
	two := query("a.example.org.", dnsmessage.TypeA)
	two.Questions = append(two.Questions, two.Questions[0])
	none := query("a.example.org.", dnsmessage.TypeA)
	none.Questions = nil
	update := query("a.example.org.", dnsmessage.TypeA)
	update.OpCode = 5
	for what, c := range map[string]struct {
		q    dnsmessage.Message
		code dnsmessage.RCode
	}{
		"ANY": {any, dnsmessage.RCodeRefused}, "AXFR": {axfr, dnsmessage.RCodeRefused}, "CHAOS": {chaos, dnsmessage.RCodeRefused},
		"the root": {root, dnsmessage.RCodeRefused}, "two questions": {two, dnsmessage.RCodeFormatError},
		"no question": {none, dnsmessage.RCodeFormatError}, "an update": {update, dnsmessage.RCodeNotImplemented},
	} {
		if reply := f.send(t, c.q, dns.Stream); reply.RCode != c.code {
			t.Errorf("%s: %s", what, reply.RCode)
		}
	}
	if asked, _ := u.asked(); len(asked) != 0 {
		t.Errorf("the upstream was asked %v", asked)
	}
	reply := query("a.example.org.", dnsmessage.TypeA)
	reply.Response = true
	for what, packet := range map[string][]byte{"nothing": nil, "noise": []byte("noise"), "a response": pack(reply), "5000 bytes": make([]byte, 5000)} {
		if got := f.Answer(t.Context(), packet, dns.Datagram); got != nil {
			t.Errorf("%s was answered: %x", what, got)
		}
	}
}

func TestAnswerTakesAroundThePolicyOutOfServiceBindings(t *testing.T) {
	binding := func(priority uint16, target string, keys ...dnsmessage.SVCParamKey) dnsmessage.Resource {
		body := &dnsmessage.HTTPSResource{SVCBResource: dnsmessage.SVCBResource{Priority: priority, Target: name(target)}}
		for _, key := range keys {
			body.SetParam(key, []byte{2, 'h', '2', 0})
		}
		return record("a.example.org.", 60, body)
	}
	u := zone(
		binding(0, "alias.example."), binding(1, "other.example.", dnsmessage.SVCParamALPN),
		binding(2, ".", dnsmessage.SVCParamMandatory, dnsmessage.SVCParamECH),
		binding(3, ".", dnsmessage.SVCParamALPN, dnsmessage.SVCParamIPv4Hint, dnsmessage.SVCParamECH, dnsmessage.SVCParamIPv6Hint),
	)
	reply := serve(t, strict, u).ask(t, "a.example.org.", dnsmessage.TypeHTTPS)
	if len(reply.Answers) != 1 {
		t.Fatalf("the answers are %+v", reply.Answers)
	}
	body := reply.Answers[0].Body.(*dnsmessage.HTTPSResource)
	if body.Priority != 3 || len(body.Params) != 1 || body.Params[0].Key != dnsmessage.SVCParamALPN {
		t.Errorf("the binding is %+v", body)
	}
}

func TestAnswerPassesOnThatThereIsNothing(t *testing.T) {
	u := &upstream{respond: func(_ string, q dnsmessage.Message) [][]byte {
		m := response(q)
		m.RCode = dnsmessage.RCodeNameError
		m.Authorities = []dnsmessage.Resource{
			record("example.org.", 7200, &dnsmessage.SOAResource{NS: name("ns.example.org."), MBox: name("root.example.org.")}),
			address("ns.example.org.", 60, "203.0.113.9"),
		}
		return [][]byte{pack(m)}
	}}
	f := serve(t, strict, u)
	reply := f.ask(t, "gone.example.org.", dnsmessage.TypeA)
	if reply.RCode != dnsmessage.RCodeNameError || len(reply.Authorities) != 1 || reply.Authorities[0].Header.TTL != 3600 {
		t.Errorf("the reply is %+v", reply)
	}
	if len(f.denied) != 0 {
		t.Errorf("denied: %q", f.denied)
	}
	wantNames(t, f, "203.0.113.9")
}
