package vmdir

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// identityFormat numbers identity.json. A newer one is refused.
	identityFormat = 1
	// maxIdentity bounds identity.json, in bytes.
	maxIdentity = 64 << 10
)

// identityFile is identity.json (mode 0600).
type identityFile struct {
	Format        int    `json:"format"`
	MachineID     string `json:"machine_id"`
	Token         string `json:"token"`
	HostKey       string `json:"host_key"`
	HostPublicKey string `json:"host_public_key"`
}

// Ensure implements vm.Identities.
func (s *VMs) Ensure(_ context.Context, vmID string) (vm.Identity, error) {
	path := s.dirs.VM(vmID).Identity()
	id, err := readIdentity(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	id, err = newIdentity(vmID)
	if err != nil {
		return vm.Identity{}, err
	}
	return id, statedir.DiskFault(writeIdentity(path, id), path)
}

// Identity reads the identity of a VM. NotFound when it has none.
func (s *VMs) Identity(vmID string) (vm.Identity, error) {
	id, err := readIdentity(s.dirs.VM(vmID).Identity())
	if errors.Is(err, fs.ErrNotExist) {
		return id, fault.Wrap(fault.NotFound, err, "VM %s has no identity", vmID)
	}
	return id, err
}

// AuthorizedKeys implements vm.Identities: banger's own client key.
func (s *VMs) AuthorizedKeys(context.Context) ([]string, error) {
	data, err := regularfile.Read(s.dirs.ClientKeyPub(), maxIdentity)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "read banger's client key").Try(act.Doctor.Do())
	}
	var keys []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			keys = append(keys, line)
		}
	}
	return keys, nil
}

// newIdentity makes an identity. The machine id is random, as machine-id(5) has it.
func newIdentity(vmID string) (vm.Identity, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return vm.Identity{}, fmt.Errorf("make a host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, vmID)
	if err != nil {
		return vm.Identity{}, fmt.Errorf("encode the host key: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return vm.Identity{}, fmt.Errorf("encode the host key: %w", err)
	}
	return vm.Identity{
		MachineID: ids.Hex(16), Token: ids.Hex(32),
		HostKey:       string(pem.EncodeToMemory(block)),
		HostPublicKey: string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key))),
	}, nil
}

func damagedIdentity(path string, err error) error {
	return fault.Wrap(fault.Internal, err, "%s is damaged", path).
		WithHint("remove the file: the VM gets a new identity at its next start")
}

func readIdentity(path string) (vm.Identity, error) {
	data, err := regularfile.Read(path, maxIdentity)
	if errors.Is(err, fault.Invalid) {
		return vm.Identity{}, damagedIdentity(path, err)
	}
	if err != nil {
		return vm.Identity{}, err
	}
	var f identityFile
	if err := json.Unmarshal(data, &f); err != nil {
		return vm.Identity{}, damagedIdentity(path, err)
	}
	if f.Format != identityFormat {
		return vm.Identity{}, fault.New(fault.Unavailable, "%s has format %d, this build of banger knows %d", path, f.Format, identityFormat).
			WithHint("install the newer banger that wrote it")
	}
	return vm.Identity{MachineID: f.MachineID, Token: f.Token, HostKey: f.HostKey, HostPublicKey: f.HostPublicKey}, nil
}

// writeIdentity stages the file, flushes it and renames it in.
func writeIdentity(path string, id vm.Identity) error {
	data, err := json.MarshalIndent(identityFile{
		Format: identityFormat, MachineID: id.MachineID, Token: id.Token, HostKey: id.HostKey, HostPublicKey: id.HostPublicKey,
	}, "", "  ")
	if err != nil {
		return err
	}
	staged := path + statedir.StagingSuffix
	file, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(data, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(staged, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return nil
}
