package sshserver

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/agent/command"
)

const (
	maxEnv = 256
	chunk  = 32 << 10
)

// session is one session channel, RFC 4254 section 6: at most one command.
type session struct {
	client *client
	ch     ssh.Channel
	env    []string
	agent  string // the socket that leads to the client's SSH agent; empty: not asked for
	pty    *ptyRequest
	proc   *command.Process
	master *os.File
	ended  sync.WaitGroup
}

type ptyRequest struct {
	Term          string
	Cols, Rows    uint32
	Width, Height uint32
	Modes         string
}

type windowChange struct{ Cols, Rows, Width, Height uint32 }

func newSession(c *client, ch ssh.Channel) *session { return &session{client: c, ch: ch} }

// serve obeys the channel's requests until it is closed; a command still
// running then hangs up.
func (s *session) serve(ctx context.Context, requests <-chan *ssh.Request) {
	defer func() { _ = s.ch.Close() }()
	for req := range requests {
		ok, then := s.request(ctx, req)
		if req.WantReply {
			_ = req.Reply(ok, nil)
		}
		if then != nil {
			then()
		}
	}
	if s.proc != nil {
		s.proc.HangUp()
	}
	s.ended.Wait()
}

// request returns whether it is granted, and what to do after saying so.
func (s *session) request(ctx context.Context, req *ssh.Request) (ok bool, then func()) {
	switch req.Type {
	case "env":
		var kv struct{ Name, Value string }
		if ssh.Unmarshal(req.Payload, &kv) != nil || len(s.env) >= maxEnv {
			return false, nil
		}
		s.env = append(s.env, kv.Name+"="+kv.Value)
		return true, nil
	case "pty-req":
		var p ptyRequest
		if ssh.Unmarshal(req.Payload, &p) != nil || s.pty != nil {
			return false, nil
		}
		s.pty = &p
		return true, nil
	case "auth-agent-req@openssh.com":
		s.agent = s.client.agentSocket(ctx)
		return s.agent != "", nil
	case "window-change":
		return s.resize(req.Payload), nil
	case "signal":
		return s.signal(req.Payload), nil
	case "shell":
		return s.start(nil)
	case "exec":
		var cmd struct{ Command string }
		if ssh.Unmarshal(req.Payload, &cmd) != nil {
			return false, nil
		}
		return s.start(&cmd.Command)
	case "subsystem":
		var sub struct{ Name string }
		if ssh.Unmarshal(req.Payload, &sub) != nil || sub.Name != "sftp" {
			return false, nil
		}
		return s.start(nil, s.client.server.sftp...)
	}
	return false, nil
}

func (s *session) resize(payload []byte) bool {
	var w windowChange
	if ssh.Unmarshal(payload, &w) != nil || s.master == nil {
		return false
	}
	return command.Resize(s.master, size(w.Rows), size(w.Cols)) == nil
}

func size(n uint32) uint16 { return uint16(min(n, 65535)) }

// size is that of the terminal that was asked for, or nil.
func (s *session) size() *command.Size {
	if s.pty == nil {
		return nil
	}
	return &command.Size{Rows: size(s.pty.Rows), Cols: size(s.pty.Cols)}
}

func (s *session) signal(payload []byte) bool {
	var name struct{ Name string }
	if ssh.Unmarshal(payload, &name) != nil || s.proc == nil {
		return false
	}
	sig := command.SignalByName(name.Name)
	return sig != 0 && s.proc.Signal(sig) == nil
}

// start starts the user's shell, with a command line or to log in (nil), or argv
// where that is given.
func (s *session) start(line *string, argv ...string) (bool, func()) {
	if s.proc != nil {
		return false, nil
	}
	spec := s.spec(len(argv) > 0)
	spec.Argv = argv
	var err error
	if len(argv) == 0 {
		spec.Argv, spec.Arg0, err = shellArgv(spec, spec.User.Shell, line)
	}
	var files *command.Files
	if err == nil {
		files, err = command.OpenFiles(spec.User, true, s.size())
	}
	if err == nil {
		s.proc, err = files.Start(spec)
	}
	if err != nil {
		return true, func() { s.fail(err) }
	}
	s.master = files.Terminal
	return true, func() { s.attend(files) }
}

// spec is what a command of this session has in common with others: environment
// and directory are as exec's. An image that names no directory leaves the home,
// where relative paths of files (atHome) are in any case.
func (s *session) spec(atHome bool) command.Spec {
	var term []string
	if s.pty != nil {
		term = []string{"TERM=" + s.pty.Term}
	}
	var agent []string
	if s.agent != "" {
		agent = []string{"SSH_AUTH_SOCK=" + s.agent}
	}
	c := s.client
	spec := command.Spec{User: c.user, Dir: "/", TTY: s.pty != nil, Env: c.commands.Environ(c.user, term, s.env, agent)}
	dirs := []string{command.Getenv(spec.Env, "HOME"), c.user.Home}
	if c.commands.Dir != "" && !atHome {
		dirs = append([]string{c.commands.WorkingDir()}, dirs...)
	}
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && filepath.IsAbs(dir) {
			spec.Dir = dir
			break
		}
	}
	return spec
}

func (s *session) fail(err error) {
	_, _ = fmt.Fprintf(s.ch.Stderr(), "banger: %v\n", err)
	s.sendExit(command.StatusOf(err), 0)
}

func (s *session) sendExit(status int, signal syscall.Signal) {
	if name := command.SignalName(signal); name != "" {
		_, _ = s.ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name    string
			Core    bool
			Message string
			Lang    string
		}{Name: name}))
	} else {
		_, _ = s.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	}
	_ = s.ch.Close()
}

// attend copies in both directions until the command has ended, then says how.
func (s *session) attend(f *command.Files) {
	s.ended.Go(func() {
		go s.copyIn(f)
		status, signal, _ := f.Attend(s.proc, command.Copies{Out: func(i int, o *command.Output) {
			copyOut([]io.Writer{s.ch, s.ch.Stderr()}[i], o)
		}})
		_ = s.ch.CloseWrite()
		s.sendExit(status, signal)
		f.Release()
	})
}

func copyOut(w io.Writer, o *command.Output) {
	buf := make([]byte, chunk)
	_ = o.Each(buf, func(n int) error {
		_, err := w.Write(buf[:n])
		return err
	})
}

func (s *session) copyIn(f *command.Files) {
	_, _ = io.Copy(f.In, s.ch)
	if f.Terminal == nil {
		_ = f.In.Close()
	} else {
		_, _ = f.Terminal.Write([]byte{command.EOT})
	}
}
