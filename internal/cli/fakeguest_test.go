package cli_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
)

// exec understands a few commands: it is a guest, as far as frames go.
func (d *fakeDaemon) exec(w http.ResponseWriter, r *http.Request, v api.VM) {
	if v.State != "running" {
		problem(w, http.StatusConflict, api.Problem{Code: "conflict", Message: "VM " + v.Name + " is " + v.State, Hint: "banger vm start " + v.Name})
		return
	}
	var req api.Exec
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		problem(w, http.StatusBadRequest, api.Problem{Code: "invalid", Message: err.Error()})
		return
	}
	conn, rw, err := upgrade(w, agentrpc.ExecProtocol)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	status := func(n uint32) {
		_ = agentrpc.WriteFrame(conn, agentrpc.FrameExit, binary.BigEndian.AppendUint32(nil, n))
	}
	out := func(text string) { _ = agentrpc.WriteFrame(conn, agentrpc.FrameStdout, []byte(text)) }
	switch req.Command[0] {
	case "echo", "/entry":
		out(strings.Join(req.Command[1:], " ") + "\n")
		status(0)
	case "warn":
		_ = agentrpc.WriteFrame(conn, agentrpc.FrameStderr, []byte("warned\n"))
		status(0)
	case "request":
		data, _ := json.Marshal(req)
		out(string(data) + "\n")
		status(0)
	case "exit":
		status(7)
	case "cat":
		if req.Stdin {
			copyInput(rw, out)
		}
		status(0)
	case "signal":
		copyInput(rw, out) // its end says that banger listens for signals
		d.note("waiting for a signal")
		kind, payload, _ := agentrpc.ReadFrame(rw, nil)
		out(fmt.Sprintf("%d %s\n", kind, payload))
		status(143)
	case "hang":
		copyInput(rw, out)
		d.note("hanging")
		for err == nil {
			_, _, err = agentrpc.ReadFrame(rw, nil)
			d.note("ignored a frame")
		}
	case "no-such":
		_ = agentrpc.WriteFrame(conn, agentrpc.FrameError, append(binary.BigEndian.AppendUint32(nil, 127), "no-such: not \x1b[1mfound"...))
	case "stranger":
		_ = agentrpc.WriteFrame(conn, agentrpc.FrameError, append(binary.BigEndian.AppendUint32(nil, 126), `unknown user "app"`...))
	case "nonsense":
		_, _ = conn.Write([]byte{99, 0, 0, 0, 0})
	case "modes":
		out("\x1b[?1049h\x1b[>1u\x1b[?25l\x1b=\x1b[31mshown")
		switch req.Command[1] {
		case "killed":
			status(137)
		case "hangup":
			_, _, err = agentrpc.ReadFrame(rw, nil) // the client listens for signals by now
			awaitRead(conn)
			if pid, err := strconv.Atoi(req.Command[2]); err == nil {
				_ = syscall.Kill(pid, syscall.SIGHUP)
			}
			for err == nil {
				_, _, err = agentrpc.ReadFrame(rw, nil)
			}
		}
	case "break":
	}
}

// awaitRead returns when the peer has read all that was written.
func awaitRead(conn net.Conn) {
	sock, ok := conn.(*net.UnixConn)
	if !ok {
		return
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return
	}
	for left := 1; left > 0; runtime.Gosched() {
		if err := raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
			return
		}
	}
}

func copyInput(r io.Reader, out func(string)) {
	for {
		kind, payload, err := agentrpc.ReadFrame(r, nil)
		if err != nil || kind == agentrpc.FrameStdinEOF {
			return
		}
		out(string(payload))
	}
}

func upgrade(w http.ResponseWriter, protocol string) (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	return conn, rw, err
}

// guestKeys are the keys of the SSH server in every fake VM, and banger's own.
type guestKeys struct {
	host     ssh.Signer
	client   ssh.PublicKey
	identity string
}

func newGuestKeys(dir string) (*guestKeys, error) {
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	host, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		return nil, err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	client, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	known := "web.vm " + string(ssh.MarshalAuthorizedKey(host.PublicKey()))
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "known_hosts"), []byte(known), 0o600); err != nil {
		return nil, err
	}
	identity := filepath.Join(filepath.Dir(dir), "id_ed25519")
	return &guestKeys{host: host, client: client, identity: identity}, os.WriteFile(identity, pem.EncodeToMemory(block), 0o600)
}

func (k *guestKeys) access(v api.VM) api.SSHAccess {
	return api.SSHAccess{
		User: "root", HostAlias: v.ID, IdentityFile: k.identity, KnownHosts: "/known hosts",
		HostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.host.PublicKey()))),
	}
}

// stream serves SFTP of the guest's directory, over SSH.
func (d *fakeDaemon) stream(w http.ResponseWriter, r *http.Request, v api.VM) {
	if v.State != "running" {
		problem(w, http.StatusConflict, api.Problem{Code: "conflict", Message: "VM " + v.Name + " is " + v.State, Hint: "banger vm start " + v.Name})
		return
	}
	if r.PathValue("port") != fmt.Sprint(agentrpc.SSHPort) {
		problem(w, http.StatusServiceUnavailable, api.Problem{Code: "unavailable", Message: "nothing listens on " + r.PathValue("port")})
		return
	}
	conn, _, err := upgrade(w, api.StreamProtocol)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(d.keys.client.Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(d.keys.host)
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range requests {
				_ = req.Reply(req.Type == "subsystem", nil)
			}
		}()
		server, err := sftp.NewServer(channel)
		if err != nil {
			return
		}
		_ = server.Serve()
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
		_ = channel.Close()
	}
}
