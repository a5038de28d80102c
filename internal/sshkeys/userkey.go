package sshkeys

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/fault"
)

// PublicKey returns the authorized_keys line of the user's own private key at
// path: what stands in path.pub, or else its public half, which a key with a
// passphrase does not show. The errors are Invalid.
func PublicKey(path string) (string, error) {
	public, err := readFile(path + ".pub")
	if errors.Is(err, os.ErrNotExist) {
		return publicHalf(path)
	}
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "ssh_key")
	}
	key, comment, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "ssh_key: %s.pub is not a public key", path)
	}
	return strings.TrimSpace(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + comment), nil
}

func publicHalf(path string) (string, error) {
	private, err := readFile(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "ssh_key").WithHint("name a private key, for example ~/.ssh/id_ed25519")
	}
	signer, err := ssh.ParsePrivateKey(private)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok && missing.PublicKey != nil {
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(missing.PublicKey))), nil
	}
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "ssh_key: %s", path).WithHint("ssh-keygen -y -f %s > %s.pub", path, path)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}
