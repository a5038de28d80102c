package portmap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
)

func TestForwardsAreParsed(t *testing.T) {
	g := newGuest(t, nil)
	for _, f := range []monitorrpc.Forward{
		{},
		{Proto: "sctp", Host: "127.77.3.9:0", Guest: "80"},
		{Proto: "tcp", Host: "localhost:0", Guest: "80"},
		{Proto: "tcp", Host: "127.77.3.9", Guest: "80"},
		{Proto: "tcp", Host: "[fe80::1%lo]:0", Guest: "80"},
		{Proto: "tcp", Host: "relative", Guest: "80"},
		{Proto: "tcp", Host: "127.77.3.9:0", Guest: "0"},
		{Proto: "tcp", Host: "127.77.3.9:0", Guest: "65536"},
		{Proto: "tcp", Host: "127.77.3.9:0", Guest: "10.0.0.1:0"},
		{Proto: "tcp", Host: "127.77.3.9:0", Guest: "example.org:80"},
		{Proto: "tcp", Host: "127.77.3.9:0", Guest: "/" + strings.Repeat("x", 200)},
		{Proto: "tcp", Host: "/" + strings.Repeat("x", 200), Guest: "80"},
		{Proto: "udp", Host: "/tmp/s", Guest: "80"},
		{Proto: "udp", Host: "127.77.3.9:0", Guest: "/tmp/s"},
		{Proto: "unix", Host: "127.77.3.9:0", Guest: "80"},
	} {
		if got, err := g.m.Forward(f); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %+v, %v; want invalid", f, got, err)
		}
	}
	if left := g.m.Ports(t.Context()).Forwards; len(left) != 0 {
		t.Errorf("forwards are %+v", left)
	}
}

func FuzzForward(f *testing.F) {
	f.Add("tcp", "127.0.0.1:80", "[::1]:80")
	f.Add("unix", "/a", ":1")
	f.Fuzz(func(t *testing.T, proto, host, guest string) {
		m := &Map{}
		e, err := m.parse(monitorrpc.Forward{Proto: proto, Host: host, Guest: guest})
		if err == nil && (e.path == "" && !e.want.Addr().IsValid() || e.to.address == "" && e.to.key.port == 0) {
			t.Errorf("%q %q %q leads to %+v", proto, host, guest, e)
		}
	})
}

func TestForwardIsThereUntilItIsRemoved(t *testing.T) {
	g := newGuest(t, nil)
	g.serve("127.0.0.1:80", echo) // of whose listening nothing is known
	made, err := g.m.Forward(monitorrpc.Forward{Proto: "tcp", Host: "127.77.3.9:0", Guest: "80"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(made.Host, ":0") || made.Guest != "80" {
		t.Errorf("it was made as %+v", made)
	}
	p := g.only()
	if p.Source != monitorrpc.SourceForward || made.Host != fmt.Sprintf("%s:%d", p.HostAddress, p.HostPort) {
		t.Errorf("port is %+v", p)
	}
	exchange(t, g.mustConnect("tcp", p), "hello")
	again, err := g.m.Forward(made)
	if fault.CodeOf(err) != fault.Conflict {
		t.Errorf("the same again: %+v, %v; want a conflict", again, err)
	}
	g.m.Reset()
	if all := g.m.Ports(t.Context()).Forwards; len(all) != 1 || all[0] != made {
		t.Errorf("after a reboot forwards are %+v", all)
	}
	if err := g.m.Remove(made); err != nil {
		t.Fatal(err)
	}
	if _, err := g.connect("tcp", p); err == nil {
		t.Error("a removed forward takes a connection")
	}
	if err := g.m.Remove(made); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("removing it again: %v; want not found", err)
	}
}

func TestForwardToTheVMsOwnAddress(t *testing.T) {
	g := newGuest(t, nil)
	made, err := g.m.Forward(monitorrpc.Forward{Proto: "tcp", Host: loopback.String() + ":0", Guest: "10.1.2.3:80"})
	if err != nil || !strings.HasPrefix(made.Host, loopback.String()+":") || made.Guest != "10.1.2.3:80" {
		t.Errorf("it was made as %+v, %v", made, err)
	}
}

func TestUnixForwardsBothWays(t *testing.T) {
	g := newGuest(t, nil)
	dir := t.TempDir()
	inGuest := filepath.Join(dir, "guest")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: inGuest, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("docker"))
			_ = conn.Close()
		}
	}()
	defer func() {
		_ = l.Close()
		<-served
	}()
	g.has("unix", "/run/docker.sock", inGuest)
	host := filepath.Join(dir, "host")
	for _, f := range []monitorrpc.Forward{
		{Proto: "unix", Host: host, Guest: "/run/docker.sock"},
		{Proto: "unix", Host: "127.77.3.9:0", Guest: "/run/docker.sock"},
	} {
		made, err := g.m.Forward(f)
		if err != nil {
			t.Fatal(err)
		}
		network := "tcp"
		if made.Host == host {
			network = "unix"
			if info, err := os.Lstat(host); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the socket is %v, %v", info, err)
			}
		}
		conn, err := g.dialHost(network, made.Host)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 6)
		if _, err := conn.Read(got); err != nil || string(got) != "docker" {
			t.Errorf("%+v gives %q, %v", made, got, err)
		}
		if err := g.m.Remove(made); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(host); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestUnixSocketTakesNobodysPlace(t *testing.T) {
	g := newGuest(t, nil)
	dir := t.TempDir()
	forward := func(name string) error {
		_, err := g.m.Forward(monitorrpc.Forward{Proto: "unix", Host: filepath.Join(dir, name), Guest: "80"})
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := forward("file"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("over a file: %v; want a conflict", err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(data) != "precious" {
		t.Errorf("the file is %q, %v", data, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "live"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := forward("live"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("over a living socket: %v; want a conflict", err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	if err := forward("live"); err != nil {
		t.Errorf("over a dead socket: %v", err)
	}
	// What took the socket's place meanwhile is not ours to remove.
	if err := os.Remove(filepath.Join(dir, "live")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "live"), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.m.Close()
	if _, err := os.Lstat(filepath.Join(dir, "live")); err != nil {
		t.Error(err)
	}
}
