package sshserver

import (
	"context"
	"net"
	"os"
	"path/filepath"
)

// agentSocket is the way to the client's SSH agent, for the programs of those
// sessions that ask for it, section 3 of OpenSSH's PROTOCOL: a socket of the
// user's that is there while the connection is. Empty: it cannot be made.
func (c *client) agentSocket(ctx context.Context) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agent != "" {
		return c.agent
	}
	dir, err := os.MkdirTemp("", "ssh-")
	if err != nil {
		c.server.log.Warn("the client's SSH agent", "err", err)
		return ""
	}
	socket := filepath.Join(dir, "agent")
	l, err := c.listenAgent(ctx, dir, socket)
	if err != nil {
		c.server.log.Warn("the client's SSH agent", "err", err)
		_ = os.RemoveAll(dir)
		return ""
	}
	c.agent = socket
	c.accept(ctx, l, "auth-agent@openssh.com", func(net.Addr) []byte { return nil })
	return socket
}

// listenAgent makes a socket that nobody else can reach, as its directory is
// the user's alone.
func (c *client) listenAgent(ctx context.Context, dir, socket string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	// By its name, which is the user's to change, nothing is removed.
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	for _, path := range []string{socket, dir} {
		if err := os.Lchown(path, int(c.user.UID), int(c.user.GID)); err != nil {
			_ = l.Close()
			return nil, err
		}
	}
	return l, nil
}
