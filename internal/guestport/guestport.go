// Package guestport finds out when a TCP port of a guest takes connections, by
// SSH port forwarding (RFC 4254, 7.2) through the guest's agent.
package guestport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/regularfile"
)

// again is how long to wait between two tries.
const again = 100 * time.Millisecond

// handshake bounds the SSH handshake: software emulation is slow at it.
const handshake = 30 * time.Second

// maxKey bounds banger's SSH key, in bytes.
const maxKey = 64 << 10

// Guest is how to get into one guest.
type Guest struct {
	// Dial connects to the agent's SSH server.
	Dial func(ctx context.Context) (net.Conn, error)
	// ClientKey is the path of the private key that the guest lets in, HostKey
	// the guest's public key in authorized_keys form.
	ClientKey string
	HostKey   string
}

// Wait returns when something in the guest accepts connections on the port of
// its loopback, or with ctx's error, or when the agent cannot be reached.
func Wait(ctx context.Context, guest Guest, port int) error {
	conn, err := guest.Dial(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	client, err := login(conn, guest)
	if err != nil {
		return errors.Join(cause(ctx, err), conn.Close())
	}
	defer func() { _ = client.Close() }()
	address := net.JoinHostPort("localhost", strconv.Itoa(port))
	for {
		tried, err := client.Dial("tcp", address)
		if err == nil {
			_ = tried.Close() // which may have closed by itself: it accepted
			return nil
		}
		if _, refused := errors.AsType[*ssh.OpenChannelError](err); !refused || ctx.Err() != nil {
			return fmt.Errorf("ask the guest for port %d: %w", port, cause(ctx, err))
		}
		if err := pace.Pause(ctx, again); err != nil {
			return err
		}
	}
}

func login(conn net.Conn, guest Guest) (*ssh.Client, error) {
	pem, err := regularfile.Read(guest.ClientKey, maxKey)
	if err != nil {
		return nil, fmt.Errorf("banger's SSH key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, fmt.Errorf("banger's SSH key: %w", err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(guest.HostKey))
	if err != nil {
		return nil, fmt.Errorf("the guest's host key: %w", err)
	}
	_ = conn.SetDeadline(time.Now().Add(handshake))
	c, channels, requests, err := ssh.NewClientConn(conn, "guest", &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(host),
	})
	if err != nil {
		return nil, fmt.Errorf("enter the guest: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// cause prefers the context's error to what it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
