package netstack

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// upstream is a DNS server on the loopback, by UDP and TCP, with a clock for the
// network that asks it.
type upstream struct {
	at netip.AddrPort

	mu    sync.Mutex
	names map[string][]netip.Addr
	now   time.Time
}

const upstreamTTL = 30

// withUpstream has a network ask the server, and takes its time from it.
func withUpstream(t *testing.T, names map[string][]string) (*upstream, func(*Config)) {
	t.Helper()
	u := &upstream{names: map[string][]netip.Addr{}, now: time.Unix(1_000_000, 0)}
	for name, addrs := range names {
		u.set(name, addrs...)
	}
	u.at = listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		for {
			var length [2]byte
			if _, err := io.ReadFull(conn, length[:]); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(length[:]))
			_, _ = io.ReadFull(conn, query)
			reply := u.answer(query, 65535)
			_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
		}
	})
	conn, err := net.ListenPacket("udp", u.at.String()) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			read, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(u.answer(buf[:read], 1232), from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return u, func(c *Config) {
		c.Resolvers = func() []netip.AddrPort { return []netip.AddrPort{u.at} }
		c.Now = u.time
	}
}

func (u *upstream) set(name string, addrs ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.names[name] = nil
	for _, addr := range addrs {
		u.names[name] = append(u.names[name], netip.MustParseAddr(addr))
	}
}

func (u *upstream) time() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now
}

func (u *upstream) pass(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now = u.now.Add(d)
}

func (u *upstream) answer(query []byte, limit int) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	question := m.Questions[0]
	u.mu.Lock()
	addrs, known := u.names[strings.TrimSuffix(strings.ToLower(question.Name.String()), ".")]
	u.mu.Unlock()
	out := dnsmessage.Message{
		Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions,
	}
	if !known {
		out.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range addrs {
		h := dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: upstreamTTL}
		switch {
		case question.Type == dnsmessage.TypeA && addr.Is4():
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}})
		case question.Type == dnsmessage.TypeAAAA && addr.Is6():
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	packed, err := out.Pack()
	if err == nil && len(packed) > limit {
		out.Answers, out.Truncated = nil, true
		packed, _ = out.Pack()
	}
	return packed
}

func dnsQuery(t *testing.T, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// ask asks the gateway as a guest does, by TCP if the answer is cut.
func (m *machine) ask(t *testing.T, name string, kind dnsmessage.Type) (dnsmessage.RCode, []string) {
	t.Helper()
	conn := m.dialUDP(t, "198.18.0.1:53")
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write(dnsQuery(t, name, kind))
	buf := make([]byte, 4096)
	read, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("asking for %s: %v", name, err)
	}
	code, addrs, cut := addressesOf(t, buf[:read])
	if !cut {
		return code, addrs
	}
	code, addrs, _ = addressesOf(t, m.askStream(t, "[fd62:616e:6765:7200::1]:53", name, kind))
	return code, addrs
}

func (m *machine) askStream(t *testing.T, at, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	conn := m.mustDial(t, at)
	defer func() { _ = conn.Close() }()
	query := dnsQuery(t, name, kind)
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...))
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		t.Fatalf("asking for %s by TCP: %v", name, err)
	}
	reply := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, reply); err != nil {
		t.Fatal(err)
	}
	return reply
}

func addressesOf(t *testing.T, reply []byte) (dnsmessage.RCode, []string, bool) {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(reply); err != nil || m.ID != 77 {
		t.Fatalf("the answer %x: %v", reply, err)
	}
	var addrs []string
	for _, r := range m.Answers {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			addrs = append(addrs, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			addrs = append(addrs, netip.AddrFrom16(body.AAAA).String())
		}
	}
	return m.RCode, addrs, m.Truncated
}

func TestNamesOfTheVirtualNetwork(t *testing.T) {
	m := boot(t, "none")
	m.net.SetNeighbours([]Neighbour{{
		VMID: "id-300", Name: "Web", Address4: netip.MustParseAddr("198.18.1.44"), Address6: netip.MustParseAddr("fd62:616e:6765:7200::12c"),
	}})
	for name, want := range map[string]string{
		"vm256.vm": "198.18.1.0", "vm256": "198.18.1.0", "VM256.VM": "198.18.1.0", "host.vm": "198.18.0.2",
		"gateway.vm": "198.18.0.1", "web.vm": "198.18.1.44",
	} {
		if code, addrs := m.ask(t, name, dnsmessage.TypeA); code != 0 || !slices.Equal(addrs, []string{want}) {
			t.Errorf("%s: %s, %v", name, code, addrs)
		}
	}
	if _, addrs := m.ask(t, "web.vm", dnsmessage.TypeAAAA); !slices.Equal(addrs, []string{"fd62:616e:6765:7200::12c"}) {
		t.Errorf("web.vm by IPv6: %v", addrs)
	}
	for _, name := range []string{"nobody.vm", "vm"} {
		if code, _ := m.ask(t, name, dnsmessage.TypeA); code != dnsmessage.RCodeNameError {
			t.Errorf("%s: %s", name, code)
		}
	}
	if got := m.world.dialled(); len(got) != 0 {
		t.Errorf("an upstream was asked: %v", got)
	}
}

func TestANamesAddressIsAllowedForTheTimeOfItsAnswer(t *testing.T) {
	u, asks := withUpstream(t, map[string][]string{"allowed.example": {"203.0.113.7", "2001:db8::7"}, "other.example": {"203.0.113.8"}})
	m := boot(t, "default deny\nallow allowed.example", asks)
	m.atOutside(t, echoAll)
	if _, err := m.dialTCP(within(t), outside4); err == nil {
		t.Fatal("the address was reached before its name was asked for")
	}
	if code, addrs := m.ask(t, "allowed.example", dnsmessage.TypeA); code != 0 || !slices.Equal(addrs, []string{"203.0.113.7"}) {
		t.Fatalf("%s, %v", code, addrs)
	}
	if err := echoed(m, outside4, request("allowed.example")); err != nil {
		t.Error(err)
	}
	r := m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "allow" })
	if r.Name != "allowed.example" || r.Rule != "allow allowed.example" {
		t.Errorf("the record is %+v", r)
	}
	if _, err := m.dialTCP(within(t), outside6); err == nil {
		t.Error("the IPv6 address was reached, which was not asked for")
	}
	m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "close" })
	const linger = 5 * 60
	u.pass((linger - 1) * time.Second)
	if err := echoed(m, outside4, request("other.example")); err == nil {
		t.Error("another host was reached behind a connection by the name")
	}
	if err := echoed(m, outside4, request("allowed.example")); err != nil {
		t.Errorf("minutes after a connection by it: %v", err)
	}
	conn := m.mustDial(t, outside4)
	passesBack(t, conn, request("allowed.example"))
	u.pass(10 * linger * time.Second)
	if err := echoed(m, outside4, request("allowed.example")); err != nil {
		t.Errorf("while there is a connection by it: %v", err)
	}
	_ = conn.Close()
	m.world.closed(t, 5)
	u.pass((linger + 7) * time.Second)
	if _, err := m.dialTCP(within(t), outside4); err == nil {
		t.Error("the address was reached after its time")
	}
	m.world.record(t, func(r monitorrpc.Record) bool {
		return r.Event == "deny" && r.Reason == "the answer for allowed.example expired 7 s ago"
	})
	if code, _ := m.ask(t, "other.example", dnsmessage.TypeA); code != dnsmessage.RCodeNameError {
		t.Errorf("a denied name: %s", code)
	}
	m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "dns" && r.Name == "other.example" })
}

func TestALongAnswerIsHadByTCP(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String())
	}
	_, asks := withUpstream(t, map[string][]string{"many.example": many})
	m := boot(t, "all", asks)
	if code, addrs := m.ask(t, "many.example", dnsmessage.TypeA); code != 0 || len(addrs) != len(many) {
		t.Errorf("%s, %d addresses", code, len(addrs))
	}
}

// The names of the host's own network are not its guests' to ask for, unless a rule
// names them; nor are addresses in it told.
func TestNamesOfTheHostsNetwork(t *testing.T) {
	private := []string{"intranet", "wpad", "printer.local", "_gateway", "host.corp.internal", "nas.home.arpa", "router.lan"}
	known := map[string][]string{"inside.example": {"10.0.0.1", "203.0.113.7"}}
	for _, name := range private {
		known[name] = []string{"203.0.113.7"}
	}
	_, asks := withUpstream(t, known)
	m := boot(t, "all", asks)
	for _, name := range private {
		if code, addrs := m.ask(t, name, dnsmessage.TypeA); code != dnsmessage.RCodeNameError {
			t.Errorf("%s: %s, %v", name, code, addrs)
		}
	}
	if got := m.world.dialled(); len(got) > 0 {
		t.Errorf("an upstream was asked: %v", got)
	}
	if _, addrs := m.ask(t, "inside.example", dnsmessage.TypeA); !slices.Equal(addrs, []string{"203.0.113.7"}) {
		t.Errorf("a private address is told: %v", addrs)
	}
	m.world.record(t, func(r monitorrpc.Record) bool {
		return r.Event == "dns" && r.Name == "inside.example" && strings.HasPrefix(r.Rule, "reserved: private network")
	})
	m.net.SetPolicy(parsed(t, "default deny\nallow printer.local\nallow inside.example\nallow 10.0.0.1 tcp/443"))
	if code, _ := m.ask(t, "printer.local", dnsmessage.TypeA); code != 0 {
		t.Errorf("a rule names it: %s", code)
	}
	if _, addrs := m.ask(t, "inside.example", dnsmessage.TypeA); len(addrs) != 2 {
		t.Errorf("a rule opens the address: %v", addrs)
	}
}

// Of too many questions the guest is told at once that they fail.
func TestTooManyQuestionsFailAtOnce(t *testing.T) {
	m := boot(t, "all")
	for range maxQueries {
		m.net.queries <- struct{}{}
	}
	if code, _ := m.ask(t, "a.example", dnsmessage.TypeA); code != dnsmessage.RCodeServerFailure {
		t.Errorf("the answer is %s", code)
	}
	for range maxQueries {
		<-m.net.queries
	}
}
