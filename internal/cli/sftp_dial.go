package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// dialSFTP opens an SFTP session with the agent in a guest. It ends with ctx,
// or when the caller closes it.
func dialSFTP(ctx context.Context, c *client.Client, name string) (_ *sftp.Client, closeAll func(), err error) {
	access, err := c.VMSSH(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	key, err := os.ReadFile(access.IdentityFile)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, err, "read banger's key").WithHint("banger doctor")
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "read banger's key %s", access.IdentityFile)
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(access.HostKey))
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "read the host key of %s", name)
	}
	stream, err := c.DialVM(ctx, name, agentrpc.SSHPort)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	end := func() {
		stop()
		_ = stream.Close()
	}
	conn, channels, requests, err := ssh.NewClientConn(stream, access.HostAlias, &ssh.ClientConfig{
		// The fastest by far where the guest's processor is emulated, and fast elsewhere.
		Config: ssh.Config{Ciphers: []string{ssh.CipherChaCha20Poly1305, ssh.CipherAES128GCM, ssh.CipherAES128CTR}},
		User:   access.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   ssh.FixedHostKey(hostKey),
		HostKeyAlgorithms: []string{hostKey.Type()},
	})
	if err != nil {
		end()
		return nil, nil, fault.Wrap(fault.Unavailable, err, "log in to %s", name).WithHint("banger vm health %s", name)
	}
	remote, err := sftp.NewClient(ssh.NewClient(conn, channels, requests), sftp.MaxConcurrentRequestsPerFile(blocksUnderWay))
	if err != nil {
		_ = conn.Close()
		end()
		return nil, nil, fmt.Errorf("open SFTP to %s: %w", name, err)
	}
	return remote, func() {
		_ = remote.Close()
		_ = conn.Close()
		end()
	}, nil
}
