package sshserver

import (
	"context"
	"net"
	"strconv"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/stream"
)

// firstFree is the first port that is not root's alone.
const firstFree = 1024

// address is what the client asked to be listened at, RFC 4254 section 7.1. Its
// words come back with every connection, as the client knows it by them.
type address struct {
	Host string
	Port uint32
}

// listen opens a port of the guest's loopback for the client, whatever the host
// it says, as OpenSSH does by default. then serves it, once the client was told.
func (c *client) listen(ctx context.Context, payload []byte) (ok bool, reply []byte, then func()) {
	var at address
	if ssh.Unmarshal(payload, &at) != nil || at.Port > 65535 || at.Port != 0 && at.Port < firstFree && c.user.UID != 0 {
		return false, nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.listeners) >= maxListeners {
		return false, nil, nil
	}
	config := &net.ListenConfig{}
	l, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(at.Port))))
	if err != nil {
		return false, nil, nil
	}
	if at.Port == 0 {
		tcp, _ := l.Addr().(*net.TCPAddr) // it is one
		at.Port = uint32(tcp.Port)
		reply = ssh.Marshal(struct{ Port uint32 }{at.Port})
	}
	listeners := []net.Listener{l}
	if l, err := config.Listen(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(int(at.Port)))); err == nil {
		listeners = append(listeners, l) // a guest may have no IPv6
	}
	c.listeners[at] = listeners
	return true, reply, func() {
		for _, l := range listeners {
			c.accept(ctx, l, "forwarded-tcpip", func(from net.Addr) []byte {
				var origin net.TCPAddr
				if tcp, ok := from.(*net.TCPAddr); ok {
					origin = *tcp
				}
				return ssh.Marshal(struct {
					Host       string
					Port       uint32
					OriginHost string
					OriginPort uint32
				}{at.Host, at.Port, origin.IP.String(), uint32(origin.Port)})
			})
		}
	}
}

func (c *client) unlisten(payload []byte) bool {
	var at address
	if ssh.Unmarshal(payload, &at) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	listeners, ok := c.listeners[at]
	for _, l := range listeners {
		_ = l.Close()
	}
	delete(c.listeners, at)
	return ok
}

// accept makes each connection to l a channel of the client's, with what data
// tells of it, until l is closed or ctx ends.
func (c *client) accept(ctx context.Context, l net.Listener, kind string, data func(from net.Addr) []byte) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	c.tasks.Go(func() {
		defer stop()
		defer func() { _ = l.Close() }()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if !c.spawn(func() { c.hand(ctx, conn, kind, data(conn.RemoteAddr())) }) {
				_ = conn.Close()
			}
		}
	})
}

// hand gives a connection to the client.
func (c *client) hand(ctx context.Context, conn net.Conn, kind string, data []byte) {
	ch, requests, err := c.conn.OpenChannel(kind, data)
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	_ = stream.Join(ctx, ch, conn) // its client sees how it ended
}
