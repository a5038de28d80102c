package guestport_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/guestport"
)

// guest is an SSH server whose port 80 refuses until it has been asked often enough.
type guest struct {
	config  *ssh.ServerConfig
	refuse  int32
	asked   atomic.Int32
	hostKey string
	key     string
}

func newKey(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

func newGuest(t *testing.T, refuse int32) *guest {
	t.Helper()
	host, _ := newKey(t)
	client, data := newKey(t)
	g := &guest{refuse: refuse, key: filepath.Join(t.TempDir(), "key"), hostKey: string(ssh.MarshalAuthorizedKey(host.PublicKey()))}
	if err := os.WriteFile(g.key, data, 0o600); err != nil {
		t.Fatal(err)
	}
	g.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(client.PublicKey().Marshal()) {
			return nil, errors.New("not that key")
		}
		return nil, nil
	}}
	g.config.AddHostKey(host)
	return g
}

// dial makes a real pair of sockets: both ends of SSH write first.
func (g *guest) dial(ctx context.Context) (net.Conn, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	here, err := (&net.Dialer{}).DialContext(ctx, "unix", l.Addr().String())
	if err != nil {
		return nil, err
	}
	there, err := l.Accept()
	if err != nil {
		return nil, err
	}
	go g.serve(there)
	return here, nil
}

func (g *guest) serve(conn net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(conn, g.config)
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if g.asked.Add(1) <= g.refuse {
			_ = c.Reject(ssh.ConnectionFailed, "connection refused")
			continue
		}
		ch, reqs, err := c.Accept()
		if err != nil {
			return
		}
		go ssh.DiscardRequests(reqs)
		_ = ch.Close()
	}
}

func (g *guest) wait(ctx context.Context, hostKey string) error {
	return guestport.Wait(ctx, guestport.Guest{Dial: g.dial, ClientKey: g.key, HostKey: hostKey}, 80)
}

func TestWaitTriesUntilThePortAccepts(t *testing.T) {
	g := newGuest(t, 3)
	if err := g.wait(t.Context(), g.hostKey); err != nil || g.asked.Load() != 4 {
		t.Errorf("%v after %d tries", err, g.asked.Load())
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	g := newGuest(t, 1<<30)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := g.wait(ctx, g.hostKey); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherGuestIsNotTrusted(t *testing.T) {
	g := newGuest(t, 0)
	other, _ := newKey(t)
	err := g.wait(t.Context(), string(ssh.MarshalAuthorizedKey(other.PublicKey())))
	if err == nil || !strings.Contains(err.Error(), "host key") || g.asked.Load() != 0 {
		t.Errorf("got %v", err)
	}
}

func TestNoGuest(t *testing.T) {
	g := newGuest(t, 0)
	down := errors.New("no agent")
	err := guestport.Wait(t.Context(), guestport.Guest{
		Dial: func(context.Context) (net.Conn, error) { return nil, down }, ClientKey: g.key, HostKey: g.hostKey,
	}, 80)
	if !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}
