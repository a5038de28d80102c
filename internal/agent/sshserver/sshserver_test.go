package sshserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/agent/command/commandtest"
)

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
