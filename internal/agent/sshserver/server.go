// Package sshserver is the agent's SSH server: commands, shells, terminals,
// SFTP and forwarded connections, for the holders of the VM's keys.
package sshserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command"
)

const handshakeTimeout = 30 * time.Second

// Identity is who may enter, and how the guest proves what it is.
type Identity struct {
	HostKey        []byte   // PEM
	AuthorizedKeys []string // authorized_keys lines
	Commands       command.Defaults
}

// Server serves SSH. It is safe for concurrent use.
type Server struct {
	log   *slog.Logger
	state atomic.Pointer[state]
	sftp  []string // the command that serves SFTP on its stdin and stdout
}

type state struct {
	config   *ssh.ServerConfig
	commands command.Defaults
}

// New makes a Server that refuses everybody until SetIdentity. sftp is a command that
// serves SFTP on stdin and stdout, run as the user.
func New(log *slog.Logger, sftp []string) *Server { return &Server{log: log, sftp: sftp} }

// SetIdentity opens the server to the holders of the authorised keys.
func (s *Server) SetIdentity(id Identity) error {
	signer, err := ssh.ParsePrivateKey(id.HostKey)
	if err != nil {
		return fmt.Errorf("the SSH host key: %w", err)
	}
	keys := make([][]byte, 0, len(id.AuthorizedKeys))
	for _, line := range id.AuthorizedKeys {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return fmt.Errorf("the authorised key %q: %w", line, err)
		}
		keys = append(keys, key.Marshal())
	}
	cfg := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-banger",
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			for _, k := range keys {
				if !bytes.Equal(k, key.Marshal()) {
					continue
				}
				if _, err := account.Lookup("/", meta.User()); err != nil {
					return nil, err
				}
				return &ssh.Permissions{}, nil
			}
			return nil, errors.New("not an authorised key")
		},
	}
	cfg.AddHostKey(signer)
	s.state.Store(&state{config: cfg, commands: id.Commands})
	return nil
}

// ServeConn serves one connection until it or ctx ends, and closes it.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	st := s.state.Load()
	if st == nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	sc, channels, requests, err := ssh.NewServerConn(conn, st.config)
	if err != nil {
		s.log.Info("an SSH handshake ended", "err", err)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	user, err := account.Lookup("/", sc.User())
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = sc.Close() })
	c := newClient(s, st.commands, user, sc)
	defer c.end()
	defer cancel()
	defer stop()
	c.tasks.Go(func() { c.answerGlobal(ctx, requests) })
	for nc := range channels {
		if !c.spawn(func() { c.serveChannel(ctx, nc) }) {
			_ = nc.Reject(ssh.ResourceShortage, "too many channels")
		}
	}
}
