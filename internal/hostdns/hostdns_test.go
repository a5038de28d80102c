package hostdns

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/bangervm/banger/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func find(_ context.Context, name string) (netip.Addr, bool, error) {
	switch name {
	case "web":
		return netip.MustParseAddr("127.200.1.2"), true, nil
	case "broken":
		return netip.Addr{}, false, errors.New("the database is gone")
	}
	return netip.Addr{}, false, nil
}

func query(t testing.TB, name string, kind dnsmessage.Type, change ...func(*dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	for _, c := range change {
		c(&m)
	}
	data, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unpack(t testing.TB, data []byte) dnsmessage.Message {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(data); err != nil {
		t.Fatalf("the reply %x: %v", data, err)
	}
	return m
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind dnsmessage.Type
		code dnsmessage.RCode
		addr bool
	}{
		{"web.vm.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, true},
		{"WeB.VM.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, true},
		{"web.vm.", dnsmessage.TypeALL, dnsmessage.RCodeSuccess, true},
		{"web.vm.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, false},
		{"web.vm.", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, false},
		{"vm.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, false},
		{"none.vm.", dnsmessage.TypeA, dnsmessage.RCodeNameError, false},
		{"none.vm.", dnsmessage.TypeAAAA, dnsmessage.RCodeNameError, false},
		{"a.web.vm.", dnsmessage.TypeA, dnsmessage.RCodeNameError, false},
		{"broken.vm.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure, false},
		{"web.", dnsmessage.TypeA, dnsmessage.RCodeRefused, false},
		{"webvm.", dnsmessage.TypeA, dnsmessage.RCodeRefused, false},
		{"web.vm.example.org.", dnsmessage.TypeA, dnsmessage.RCodeRefused, false},
		{".", dnsmessage.TypeNS, dnsmessage.RCodeRefused, false},
	} {
		m := unpack(t, answer(t.Context(), query(t, tt.name, tt.kind), find))
		if m.RCode != tt.code || m.ID != 77 || !m.Response || len(m.Questions) != 1 || (len(m.Answers) == 1) != tt.addr {
			t.Errorf("%s %s gave %s with %d answers: %+v", tt.name, tt.kind, m.RCode, len(m.Answers), m.Header)
		}
		if tt.addr && m.Answers[0].Body.(*dnsmessage.AResource).A != [4]byte{127, 200, 1, 2} {
			t.Errorf("%s is %v", tt.name, m.Answers[0])
		}
	}
}

func TestOddQueries(t *testing.T) {
	if reply := answer(t.Context(), []byte("short"), find); reply != nil {
		t.Errorf("garbage was answered: %x", reply)
	}
	if reply := answer(t.Context(), query(t, "web.vm.", dnsmessage.TypeA, func(m *dnsmessage.Message) { m.Response = true }), find); reply != nil {
		t.Errorf("a reply was answered: %x", reply)
	}
	for name, tt := range map[string]struct {
		change func(*dnsmessage.Message)
		code   dnsmessage.RCode
	}{
		"an update":     {func(m *dnsmessage.Message) { m.OpCode = 5 }, dnsmessage.RCodeNotImplemented},
		"no question":   {func(m *dnsmessage.Message) { m.Questions = nil }, dnsmessage.RCodeFormatError},
		"two questions": {func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }, dnsmessage.RCodeFormatError},
		"another class": {func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }, dnsmessage.RCodeRefused},
	} {
		if m := unpack(t, answer(t.Context(), query(t, "web.vm.", dnsmessage.TypeA, tt.change), find)); m.RCode != tt.code || len(m.Answers) != 0 {
			t.Errorf("%s gave %s, %d answers", name, m.RCode, len(m.Answers))
		}
	}
	withEDNS := query(t, "web.vm.", dnsmessage.TypeA, func(m *dnsmessage.Message) {
		r := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
		if err := r.Header.SetEDNS0(1232, dnsmessage.RCodeSuccess, false); err != nil {
			t.Fatal(err)
		}
		m.Additionals = append(m.Additionals, r)
	})
	if m := unpack(t, answer(t.Context(), withEDNS, find)); len(m.Additionals) != 0 || len(m.Answers) != 1 {
		t.Errorf("a query with EDNS was answered with %+v", m)
	}
}

func listen(t *testing.T) *Server {
	t.Helper()
	s, err := Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), find, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestAResolverFindsVMs(t *testing.T) {
	s := listen(t)
	for _, network := range []string{"udp", "tcp"} {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.Addr().String())
		}}
		addrs, err := r.LookupHost(t.Context(), "web.vm.")
		if err != nil || len(addrs) != 1 || addrs[0] != "127.200.1.2" {
			t.Errorf("%s: %v, %v", network, addrs, err)
		}
		_, err = r.LookupHost(t.Context(), "none.vm.")
		if missing, ok := errors.AsType[*net.DNSError](err); !ok || !missing.IsNotFound {
			t.Errorf("%s: none.vm gave %v", network, err)
		}
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	s := listen(t)
	_, err := Listen(t.Context(), s.Addr(), find, slog.New(slog.DiscardHandler))
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), s.Addr().String()) || fault.HintOf(err).String() == "" {
		t.Errorf("Listen gave %v", err)
	}
}

func TestManyQueriesOfOneConnection(t *testing.T) {
	s := listen(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	q := query(t, "web.vm.", dnsmessage.TypeA)
	framed := append([]byte{0, byte(len(q))}, q...)
	for n := range maxQueries {
		if _, err := conn.Write(framed); err != nil {
			t.Fatalf("query %d: %v", n, err)
		}
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			t.Fatalf("reply %d: %v", n, err)
		}
		if _, err := io.CopyN(io.Discard, conn, int64(size[0])<<8|int64(size[1])); err != nil {
			t.Fatalf("reply %d: %v", n, err)
		}
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("after %d queries the connection goes on: %d bytes", maxQueries, n)
	}
}

func TestConnectionsThatTalkNonsenseAreClosed(t *testing.T) {
	s := listen(t)
	for _, text := range []string{"\xff\xff", "\x00\x05short", "\x00\x00"} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		err = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, writeErr := io.WriteString(conn, text)
		rest, readErr := io.ReadAll(conn)
		if err := errors.Join(err, writeErr); err != nil || len(rest) != 0 || errors.Is(readErr, context.DeadlineExceeded) {
			t.Errorf("%q: %v, %x, %v", text, err, rest, readErr)
		}
		_ = conn.Close()
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(query(f, "web.vm.", dnsmessage.TypeA))
	f.Add(query(f, "a.b.c.", dnsmessage.TypeALL))
	f.Add([]byte("\x00\x4d\x01\x00\x00\x01\x00\x00\x00\x00\xff\xff\x03web\xc0\x0c\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		reply := answer(t.Context(), data, find)
		if reply == nil {
			return
		}
		if len(reply) > 512 {
			t.Errorf("a reply of %d bytes", len(reply))
		}
		if m := unpack(t, reply); !m.Response || reply[0] != data[0] || reply[1] != data[1] {
			t.Errorf("the reply is %+v", m.Header)
		}
	})
}
