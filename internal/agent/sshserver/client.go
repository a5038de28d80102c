package sshserver

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command"
)

const (
	// maxChannels bounds one connection's sessions and forwarded connections.
	maxChannels = 256
	// maxListeners bounds the ports of the guest that one connection has listened at.
	maxListeners = 64
)

// client is one authenticated connection.
type client struct {
	server   *Server
	commands command.Defaults
	user     account.Account
	conn     ssh.Conn
	slots    chan struct{}
	tasks    sync.WaitGroup

	mu        sync.Mutex
	listeners map[address][]net.Listener
	agent     string // the socket that leads to the client's SSH agent; empty: none
}

func newClient(server *Server, commands command.Defaults, user account.Account, conn ssh.Conn) *client {
	return &client{
		server: server, commands: commands, user: user, conn: conn,
		slots: make(chan struct{}, maxChannels), listeners: map[address][]net.Listener{},
	}
}

// end returns once nothing of the connection is left. Its context has ended.
func (c *client) end() {
	c.tasks.Wait()
	if c.agent != "" {
		_ = os.RemoveAll(filepath.Dir(c.agent))
	}
}

// spawn does something beside the rest, unless too much is under way.
func (c *client) spawn(do func()) bool {
	select {
	case c.slots <- struct{}{}:
	default:
		return false
	}
	c.tasks.Go(func() {
		defer func() { <-c.slots }()
		defer func() {
			if p := recover(); p != nil {
				c.server.log.Error("an SSH channel panicked", "panic", p)
			}
		}()
		do()
	})
	return true
}

func (c *client) serveChannel(ctx context.Context, nc ssh.NewChannel) {
	switch nc.ChannelType() {
	case "session":
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		newSession(c, ch).serve(ctx, requests)
	case "direct-tcpip":
		connectTCP(ctx, nc)
	case "direct-streamlocal@openssh.com":
		connectUnix(ctx, nc)
	default:
		_ = nc.Reject(ssh.UnknownChannelType, "unknown channel type")
	}
}

// answerGlobal answers what is asked of the connection as a whole. To keep-alives
// any reply does, as OpenSSH's own is a failure.
func (c *client) answerGlobal(ctx context.Context, requests <-chan *ssh.Request) {
	for req := range requests {
		var reply []byte
		var then func()
		ok := false
		switch req.Type {
		case "keepalive@openssh.com":
			ok = true
		case "tcpip-forward":
			ok, reply, then = c.listen(ctx, req.Payload)
		case "cancel-tcpip-forward":
			ok = c.unlisten(req.Payload)
		}
		if req.WantReply {
			_ = req.Reply(ok, reply)
		}
		if then != nil {
			then()
		}
	}
}
