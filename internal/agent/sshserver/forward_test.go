package sshserver_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// shouting answers every connection with what it says, in capitals.
func shouting(t *testing.T, l net.Listener) {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			data, _ := io.ReadAll(c)
			_, _ = c.Write(bytes.ToUpper(data))
			_ = c.Close()
		}
	}()
}

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// shout half-closes after its word, and wants the answer all the same.
func shout(t *testing.T, conn net.Conn) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "shout"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "SHOUT" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestForwardedConnection(t *testing.T) {
	tcp, unix := listen(t, "tcp", "127.0.0.1:0"), listen(t, "unix", filepath.Join(t.TempDir(), "s"))
	shouting(t, tcp)
	shouting(t, unix)
	c := client(t)
	for _, l := range []net.Listener{tcp, unix} {
		conn, err := c.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		shout(t, conn)
	}
	for network, addr := range map[string]string{"tcp": "127.0.0.1:1", "unix": filepath.Join(t.TempDir(), "none")} {
		if conn, err := c.Dial(network, addr); err == nil {
			_ = conn.Close()
			t.Errorf("%s, where nothing listens, was reached", addr)
		}
	}
}

func dial(t *testing.T, network, addr string) (net.Conn, error) {
	t.Helper()
	return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), network, addr)
}

func TestAPortOfTheGuestIsListenedAt(t *testing.T) {
	c := client(t)
	l, err := c.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	shouting(t, l)
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dial(t, "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	shout(t, conn)
	if conn, err := dial(t, "tcp", "127.0.0.2:"+port); err == nil {
		_ = conn.Close()
		t.Error("it listens at more than the loopback")
	}
	if _, err := c.Listen("tcp", "127.0.0.1:"+port); err == nil {
		t.Error("a port that is taken was granted")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if conn, err := dial(t, "tcp", "127.0.0.1:"+port); err == nil {
		_ = conn.Close()
		t.Error("it still listens after the client took it back")
	}
}

func TestAListenedPortEndsWithTheConnection(t *testing.T) {
	c := client(t)
	l, err := c.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := dial(t, "tcp", l.Addr().String())
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Error("it still listens")
}

func TestTooManyListenedPorts(t *testing.T) {
	c := client(t)
	for n := range 100 {
		_, err := c.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			continue
		}
		if n < 10 {
			t.Errorf("refused after %d: %v", n, err)
		}
		return
	}
	t.Error("there is no bound")
}

// agentIn starts a command that tells where its SSH agent is and then waits.
func agentIn(t *testing.T, s *ssh.Session) (socket string, end io.Closer) {
	t.Helper()
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("echo \"$SSH_AUTH_SOCK\"; exec cat >/dev/null"); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(line[:n])), in
}

func TestTheAgentIsThereOnRequestOnly(t *testing.T) {
	f := serve(t)
	c, err := f.dial(t, f.signer)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	key, err := ssh.ParseRawPrivateKey(f.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Add(agent.AddedKey{PrivateKey: key, Comment: "mine"}); err != nil {
		t.Fatal(err)
	}
	if err := agent.ForwardToAgent(c, ring); err != nil {
		t.Fatal(err)
	}
	asking, plain := session(t, c), session(t, c)
	if err := agent.RequestAgentForwarding(asking); err != nil {
		t.Fatal(err)
	}
	socket, end := agentIn(t, asking)
	if got, other := agentIn(t, plain); got != "" {
		t.Errorf("a session that did not ask has the agent %q", got)
		_ = other.Close()
	}
	info, err := os.Stat(filepath.Dir(socket))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the agent's directory: %v, %v", info, err)
	}
	conn, err := dial(t, "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := agent.NewClient(conn).List()
	if err != nil || !slices.ContainsFunc(keys, func(k *agent.Key) bool { return k.Comment == "mine" }) {
		t.Errorf("the agent has %v, %v", keys, err)
	}
	_, _ = conn.Close(), end.Close()
	_ = c.Close()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if _, err := os.Stat(filepath.Dir(socket)); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	t.Error("the socket outlives the connection")
}
