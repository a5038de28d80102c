package dns_test

import (
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestAnswerHereKnowsLocalNames(t *testing.T) {
	u := zone()
	f := serve(t, "none", u)
	for _, c := range []struct {
		name string
		kind dnsmessage.Type
		code dnsmessage.RCode
		want string
	}{
		{"host.vm.", dnsmessage.TypeA, 0, "host.vm. 198.18.0.2 5"},
		{"Host.VM.", dnsmessage.TypeAAAA, 0, "Host.VM. fd62:616e:6765:7200::2 5"},
		{"host.vm.", dnsmessage.TypeTXT, 0, ""},
		{"other.vm.", dnsmessage.TypeA, dnsmessage.RCodeNameError, ""},
		{"localhost.", dnsmessage.TypeA, 0, "localhost. 127.0.0.1 5"},
		{"a.localhost.", dnsmessage.TypeAAAA, 0, "a.localhost. ::1 5"},
	} {
		if reply := f.ask(t, c.name, c.kind); reply.RCode != c.code || records(reply) != c.want {
			t.Errorf("%s %s: %s, %q", c.name, c.kind, reply.RCode, records(reply))
		}
	}
	wantNames(t, f, "198.18.0.2", "host.vm")
	if asked, _ := u.asked(); len(asked)+len(f.denied) != 0 {
		t.Errorf("the upstream was asked %v; denied: %q", asked, f.denied)
	}
}

func TestAnswerKeepsReverseNamesOfPrivateAddressesHere(t *testing.T) {
	u := zone()
	f := serve(t, "all", u)
	for _, private := range []string{
		"1.0.0.10.in-addr.arpa.", "10.in-addr.arpa.", "254.169.254.169.in-addr.arpa.", "1.0.0.127.in-addr.arpa.",
		"9.7.18.198.in-addr.arpa.", "1.1.64.100.in-addr.arpa.", "d.f.ip6.arpa.", "8.e.f.ip6.arpa.",
		strings.Repeat("0.", 28) + "0.0.d.f.ip6.arpa.",
	} {
		if reply := f.ask(t, private, dnsmessage.TypePTR); reply.RCode != dnsmessage.RCodeNameError {
			t.Errorf("%s: %s", private, reply.RCode)
		}
	}
	if asked, _ := u.asked(); len(asked) != 0 {
		t.Errorf("the upstream was asked %v", asked)
	}
	f.ask(t, "8.8.8.8.in-addr.arpa.", dnsmessage.TypePTR)
	if asked, _ := u.asked(); len(asked) != 1 {
		t.Errorf("the upstream was asked %d times for a public address", len(asked))
	}
}
