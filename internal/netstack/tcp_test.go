package netstack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/bangervm/banger/internal/monitorrpc"
)

const outside4, outside6 = "203.0.113.7:8080", "[2001:db8::7]:8080"

// atOutside leads both outside addresses to servers on the loopback.
func (m *machine) atOutside(t *testing.T, serve func(net.Conn)) {
	t.Helper()
	m.world.lead("tcp", outside4, listenTCP(t, "127.0.0.1:0", serve).String())
	m.world.lead("tcp", outside6, listenTCP(t, "[::1]:0", serve).String())
}

func TestTransfersBothWaysKeepTheirBytes(t *testing.T) {
	m := boot(t, "all")
	m.atOutside(t, echoAll)
	for _, to := range []string{outside4, outside6} {
		t.Run(to, func(t *testing.T) {
			const size = 32 << 20
			conn := m.mustDial(t, to)
			want := sha256.New()
			go func() {
				source := rand.NewChaCha8([32]byte{1})
				_, _ = io.CopyN(io.MultiWriter(conn, want), source, size)
				_ = conn.CloseWrite()
			}()
			got := sha256.New()
			read, err := io.Copy(got, conn)
			if err != nil || read != size {
				t.Fatalf("read %d bytes, %v", read, err)
			}
			if string(got.Sum(nil)) != string(want.Sum(nil)) {
				t.Error("the bytes came back changed")
			}
			_ = conn.Close()
			r := m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "close" && strings.Contains(to, r.Address) })
			if r.Sent != size || r.Received != size || r.Reason != "" || r.Port != 8080 || r.Rule != "default allow" {
				t.Errorf("the record of the end is %+v", r)
			}
		})
	}
	if c := m.net.Counters(); c.InBytes < 64<<20 || c.OutBytes < 64<<20 || c.Denied != 0 {
		t.Errorf("the counters are %+v", c)
	}
}

func TestTheHostIsReachedByTheAddressThatStandsForIt(t *testing.T) {
	m := boot(t, "default deny\nallow host")
	for _, alias := range []struct{ listen, as string }{{"127.0.0.1:0", "198.18.0.2"}, {"[::1]:0", "fd62:616e:6765:7200::2"}} {
		at := listenTCP(t, alias.listen, echoAll)
		conn := m.mustDial(t, net.JoinHostPort(alias.as, fmt.Sprint(at.Port())))
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = conn.CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
			t.Errorf("%s: got %q, %v", alias.as, got, err)
		}
	}
}

func TestEachDirectionEndsByItself(t *testing.T) {
	m := boot(t, "all")
	asked := make(chan struct{})
	m.atOutside(t, func(conn net.Conn) {
		_, _ = conn.Write([]byte("first"))
		_ = conn.(*net.TCPConn).CloseWrite()
		<-asked
		if got, err := io.ReadAll(conn); err != nil || string(got) != "after your end" {
			t.Errorf("the server read %q, %v", got, err)
		}
	})
	conn := m.mustDial(t, outside4)
	if got, err := io.ReadAll(conn); err != nil || string(got) != "first" {
		t.Fatalf("the guest read %q, %v", got, err)
	}
	if _, err := conn.Write([]byte("after your end")); err != nil {
		t.Fatal(err)
	}
	close(asked)
	_ = conn.CloseWrite()
	m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == "close" && r.Sent == 14 && r.Received == 5 })
}

func TestManyConnectionsAtOnce(t *testing.T) {
	m := boot(t, "all")
	const count = 1024
	var arrived sync.WaitGroup
	arrived.Add(count)
	m.atOutside(t, func(conn net.Conn) {
		arrived.Done()
		arrived.Wait() // nobody is answered before all are there
		echoAll(conn)
	})
	var tasks sync.WaitGroup
	errs := make(chan error, count)
	for i := range count {
		tasks.Go(func() { errs <- echoed(m, outside4, fmt.Sprintf("number %d", i)) })
	}
	tasks.Wait()
	close(errs)
	failed := 0
	for err := range errs {
		if err != nil {
			failed++
			if failed < 4 {
				t.Error(err)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d connections failed", failed, count)
	}
}

func echoed(m *machine, to, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := m.dialTCP(ctx, to)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(text)); err != nil {
		return err
	}
	_ = conn.CloseWrite()
	got, err := io.ReadAll(conn)
	if err == nil && string(got) != text {
		err = fmt.Errorf("sent %q, got %q", text, got)
	}
	return err
}

func TestRefusedAndDeniedAreReset(t *testing.T) {
	m := boot(t, "default deny\nallow 203.0.113.7")
	for to, event := range map[string]string{outside4: "close", "203.0.113.8:80": "deny", "198.18.0.1:80": ""} {
		_, err := m.dialTCP(within(t), to)
		if err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", to, err)
		}
		if event != "" {
			m.world.record(t, func(r monitorrpc.Record) bool { return r.Event == event && strings.HasPrefix(to, r.Address) })
		}
	}
	if got := m.world.dialled(); len(got) != 1 || got[0] != "tcp "+outside4 {
		t.Errorf("dialled %v", got)
	}
	if c := m.net.Counters(); c.Denied != 1 || c.Flows != 0 {
		t.Errorf("the counters are %+v", c)
	}
}

func TestAResetOfTheServerReachesTheGuest(t *testing.T) {
	m := boot(t, "all")
	m.atOutside(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = reset(conn)
	})
	conn := m.mustDial(t, outside4)
	_, _ = conn.Write([]byte("now"))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the guest read %v", err)
	}
}

func TestAnotherPolicyCutsWhatItDoesNotAllow(t *testing.T) {
	m := boot(t, "all")
	m.atOutside(t, echoAll)
	cut, kept := m.mustDial(t, outside4), m.mustDial(t, outside6)
	for _, conn := range []net.Conn{cut, kept} {
		_, _ = conn.Write([]byte("x"))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	m.net.SetPolicy(parsed(t, "default deny\nallow 2001:db8::/32"))
	if _, err := cut.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the cut connection read %v", err)
	}
	_, _ = kept.Write([]byte("y"))
	if _, err := io.ReadFull(kept, make([]byte, 1)); err != nil {
		t.Errorf("the kept connection: %v", err)
	}
	m.world.record(t, func(r monitorrpc.Record) bool {
		return r.Event == "close" && r.Reason == "the policy was changed" && r.Address == "203.0.113.7"
	})
	if _, err := m.dialTCP(within(t), outside4); err == nil {
		t.Error("the new policy lets a new connection through")
	}
}

func TestTheGuestIsDialled(t *testing.T) {
	m := boot(t, "none")
	for _, addr := range []string{"198.18.1.0:80", "[fd62:616e:6765:7200::100]:81"} {
		m.serveTCP(t, addr, echoAll)
	}
	for _, port := range []uint16{80, 81} {
		conn, err := m.net.DialGuest(within(t), "tcp", port)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte("hello"))
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
			t.Errorf("port %d: got %q, %v", port, got, err)
		}
		_ = conn.Close()
	}
	if _, err := m.net.DialGuest(within(t), "tcp", 82); err == nil {
		t.Error("a port on which nobody listens was reached")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.net.DialGuest(ctx, "tcp", 80); err == nil {
		t.Error("a cancelled context was ignored")
	}
}
