package guestfiles

import (
	"context"
	"fmt"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

// session is a connection by SFTP.
type session struct {
	files remote
	end   func()
}

// Close ends the connection, and with it what is under way.
func (s *session) Close() { s.end() }

// dial connects by SFTP to the VM called name, which must be running. The
// connection ends with ctx.
func dial(ctx context.Context, c *client.Client, name string) (*session, error) {
	access, err := c.VMSSH(ctx, name)
	if err != nil {
		return nil, err
	}
	config, err := login(name, access)
	if err != nil {
		return nil, err
	}
	stream, err := c.DialVM(ctx, name, agentrpc.SSHPort)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	end := func() {
		stop()
		_ = stream.Close()
	}
	conn, channels, requests, err := ssh.NewClientConn(stream, access.HostAlias, config)
	if err != nil {
		end()
		return nil, fault.Wrap(fault.Unavailable, err, "cannot log in to %s", name).Try(act.VMHealth.On(name))
	}
	files, err := sftp.NewClient(ssh.NewClient(conn, channels, requests), sftp.MaxConcurrentRequestsPerFile(blocksUnderWay))
	if err != nil {
		_ = conn.Close()
		end()
		return nil, fmt.Errorf("cannot open SFTP to %s: %w", name, err)
	}
	return &session{files: remote{files}, end: func() {
		_ = files.Close()
		_ = conn.Close()
		end()
	}}, nil
}

// maxKey bounds banger's SSH key, in bytes.
const maxKey = 64 << 10

// login is how to log in with banger's key to a guest of which the daemon knows
// the host key.
func login(name string, access api.SSHAccess) (*ssh.ClientConfig, error) {
	key, err := regularfile.Read(access.IdentityFile, maxKey)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot read banger's key").Try(act.Doctor.Do())
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot read banger's key %s", access.IdentityFile)
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(access.HostKey))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot read the host key of %s", name)
	}
	return &ssh.ClientConfig{
		// The fastest by far where the guest's processor is emulated, and fast elsewhere.
		Config: ssh.Config{Ciphers: []string{ssh.CipherChaCha20Poly1305, ssh.CipherAES128GCM, ssh.CipherAES128CTR}},
		// As docker cp: files are root's to read, and belong to root where nothing else is said.
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   ssh.FixedHostKey(hostKey),
		HostKeyAlgorithms: []string{hostKey.Type()},
	}, nil
}
