package sshserver_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/agent/command/commandtest"
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
		HostKey: hostPEM, AuthorizedKeys: []string{string(ssh.MarshalAuthorizedKey(client.PublicKey()))}, Env: []string{"FROM_IMAGE=yes", "HOME=/image/home"},
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

func TestOnlyAuthorisedKeysEnter(t *testing.T) {
	f := serve(t)
	_, stranger := newKey(t)
	if c, err := f.dial(t, stranger); err == nil {
		_ = c.Close()
		t.Fatal("a stranger's key was accepted")
	}
	f.user = "no-such-user"
	if c, err := f.dial(t, f.signer); err == nil {
		_ = c.Close()
		t.Fatal("an unknown user was accepted")
	}
}

func TestExec(t *testing.T) {
	c := client(t)
	s := session(t, c)
	var stdout, stderr bytes.Buffer
	s.Stdout, s.Stderr, s.Stdin = &stdout, &stderr, strings.NewReader("from stdin")
	if err := s.Setenv("LC_TEST", "set"); err != nil {
		t.Errorf("Setenv: %v", err)
	}
	err := s.Run("cat; echo $FROM_IMAGE $LC_TEST $HOME; echo err >&2; exit 7")
	exit := (*ssh.ExitError)(nil)
	if !errors.As(err, &exit) || exit.ExitStatus() != 7 {
		t.Errorf("Run = %v, want status 7", err)
	}
	if stdout.String() != "from stdinyes set /image/home\n" || stderr.String() != "err\n" {
		t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
	}
}

func TestExecLetsWhatACommandLeftRunningGoOn(t *testing.T) {
	left := commandtest.NewLeftover(t)
	out, err := session(t, client(t)).Output(left.Script("", "2>&1"))
	if err != nil || string(out) != "started\n" {
		t.Errorf("%q, %v", out, err)
	}
	if !left.Survives() {
		t.Error("it died at its first output")
	}
}

func TestExitSignal(t *testing.T) {
	err := session(t, client(t)).Run("kill -TERM $$")
	exit := (*ssh.ExitError)(nil)
	if !errors.As(err, &exit) || exit.Signal() != "TERM" {
		t.Errorf("Run = %v, want signal TERM", err)
	}
}

func TestSignal(t *testing.T) {
	s := session(t, client(t))
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("trap 'exit 5' USR1; echo up; while :; do sleep 0.05; done"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(ssh.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	exit := (*ssh.ExitError)(nil)
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 5 {
		t.Errorf("Wait = %v, want status 5", err)
	}
}

func TestTerminal(t *testing.T) {
	s := session(t, client(t))
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("vt100", 33, 77, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("stty size; echo $TERM; read line; stty size"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	var seen strings.Builder
	for !strings.Contains(seen.String(), "vt100") {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		seen.Write(buf[:n])
	}
	if err := s.WindowChange(40, 100); err != nil {
		t.Fatal(err)
	}
	// Input goes another way than requests, which are obeyed in order: the answer
	// to one says that the size is set.
	if _, err := s.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "go\n"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if all := seen.String() + string(rest); !strings.Contains(all, "33 77") || !strings.Contains(all, "40 100") {
		t.Errorf("terminal showed %q", all)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSFTP(t *testing.T) {
	c, err := sftp.NewClient(client(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	path := filepath.Join(t.TempDir(), "file")
	data := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	w, err := c.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes arrived, %v", len(got), err)
	}
}

// The real client: exec, a shell on stdin, scp.
func TestOpenSSH(t *testing.T) {
	for _, tool := range []string{"ssh", "scp", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	f := serve(t)
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, f.key, 0o600); err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(dir, "known")
	if err := os.WriteFile(known, append([]byte("guest "), ssh.MarshalAuthorizedKey(f.hostKey)...), 0o600); err != nil {
		t.Fatal(err)
	}
	const relay = `import os,socket,sys,threading
s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1])
def up():
    while True:
        b=os.read(0,65536)
        if not b: break
        s.sendall(b)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up,daemon=True).start()
while True:
    b=s.recv(65536)
    if not b: break
    os.write(1,b)`
	script := filepath.Join(dir, "relay.py")
	if err := os.WriteFile(script, []byte(relay), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := []string{
		"-F", "none", "-i", keyFile, "-o", "UserKnownHostsFile=" + known, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes",
		"-o", "LogLevel=ERROR", "-o", "ProxyCommand=python3 " + script + " " + f.socket,
	}
	run := func(stdin string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, args[0], append(opts, args[1:]...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	target := f.user + "@guest"
	if got := run("", "ssh", target, "echo $FROM_IMAGE"); got != "yes\n" {
		t.Errorf("ssh exec printed %q", got)
	}
	if got := run("echo by shell\nexit\n", "ssh", target); !strings.Contains(got, "by shell") {
		t.Errorf("ssh shell printed %q", got)
	}
	copied := filepath.Join(dir, "copied")
	run("", "scp", known, target+":"+copied)
	want, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, want) {
		t.Errorf("scp: %q, %v", got, err)
	}
}
