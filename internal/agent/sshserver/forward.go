package sshserver

import (
	"context"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/stream"
)

const dialTimeout = 15 * time.Second

// connectTCP connects a channel to an address as the guest sees it, RFC 4254
// section 7.2.
func connectTCP(ctx context.Context, nc ssh.NewChannel) {
	var req struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &req); err != nil || req.Port == 0 || req.Port > 65535 {
		_ = nc.Reject(ssh.ConnectionFailed, "malformed address")
		return
	}
	connect(ctx, nc, "tcp", net.JoinHostPort(req.Host, strconv.Itoa(int(req.Port))))
}

// connectUnix connects a channel to a socket in the guest, section 2.4 of
// OpenSSH's PROTOCOL.
func connectUnix(ctx context.Context, nc ssh.NewChannel) {
	var req struct {
		Path         string
		Reserved     string
		ReservedPort uint32
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &req); err != nil || req.Path == "" {
		_ = nc.Reject(ssh.ConnectionFailed, "malformed address")
		return
	}
	connect(ctx, nc, "unix", req.Path)
}

func connect(ctx context.Context, nc ssh.NewChannel, network, addr string) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ch, requests, err := nc.Accept()
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	_ = stream.Join(ctx, ch, conn) // its client sees how it ended
}
