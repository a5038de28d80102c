package sshserver_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/sshserver"
)

// TestMain serves SFTP when it is run as that command.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "serve-sftp" {
		srv, err := sftp.NewServer(struct {
			io.Reader
			io.WriteCloser
		}{os.Stdin, os.Stdout})
		if err == nil {
			err = srv.Serve()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

type fixture struct {
	socket  string
	signer  ssh.Signer
	key     []byte // the client's, PEM
	hostKey ssh.PublicKey
	user    string
}

func newKey(t *testing.T) ([]byte, ssh.Signer) {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	data := pem.EncodeToMemory(block)
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return data, signer
}

func serve(t *testing.T) fixture {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	hostPEM, host := newKey(t)
	clientPEM, client := newKey(t)
	srv := sshserver.New(slog.New(slog.DiscardHandler), []string{self, "serve-sftp"})
	if err := srv.SetIdentity(sshserver.Identity{
		HostKey: hostPEM, AuthorizedKeys: []string{string(ssh.MarshalAuthorizedKey(client.PublicKey()))}, Commands: command.Defaults{Env: []string{"FROM_IMAGE=yes", "HOME=/image/home"}},
	}); err != nil {
		t.Fatal(err)
	}
	f := fixture{socket: filepath.Join(t.TempDir(), "ssh.sock"), signer: client, key: clientPEM, hostKey: host.PublicKey(), user: me.Username}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		conns := make(chan struct{}, 100)
		n := 0
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			n++
			go func() { srv.ServeConn(ctx, c); conns <- struct{}{} }()
		}
		for range n {
			<-conns
		}
	}()
	t.Cleanup(func() { cancel(); _ = l.Close(); <-done })
	return f
}

func (f fixture) dial(t *testing.T, signer ssh.Signer) (*ssh.Client, error) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, "guest", &ssh.ClientConfig{
		User: f.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(f.hostKey), Timeout: 10 * time.Second,
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	client := ssh.NewClient(c, chans, reqs)
	t.Cleanup(func() { _ = client.Close() })
	return client, nil
}

func client(t *testing.T) *ssh.Client {
	t.Helper()
	f := serve(t)
	c, err := f.dial(t, f.signer)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func session(t *testing.T, c *ssh.Client) *ssh.Session {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
