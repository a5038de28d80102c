// Package sshkeys keeps what SSH clients of this user's VMs need: the key that
// the VMs accept, and the host keys by which clients know them.
package sshkeys

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// maxFile bounds each file that is read, in bytes.
const maxFile = 16 << 20

// EnsureClientKey makes the user's key pair the first time. The public half is
// made again when it is missing.
func EnsureClientKey(dirs statedir.Dirs) error {
	private, err := readFile(dirs.ClientKey())
	if errors.Is(err, os.ErrNotExist) {
		private, err = newKey(dirs.ClientKey())
	}
	if err != nil {
		return fmt.Errorf("banger's SSH key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "%s is damaged", dirs.ClientKey()).
			WithHint("move it away: banger makes a new one, and VMs use it from their next start")
	}
	line := ssh.MarshalAuthorizedKey(signer.PublicKey())
	if public, err := readFile(dirs.ClientKeyPub()); err == nil && strings.HasPrefix(string(public), strings.TrimSpace(string(line))) {
		return nil
	}
	return replace(dirs.ClientKeyPub(), []byte(strings.TrimSpace(string(line))+" banger\n"))
}

func newKey(path string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "banger")
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(block)
	return data, replace(path, data)
}

// KnownHosts is the known_hosts file: a line for each VM by its id, and one by
// its name, as in web.vm. It is safe for concurrent use in one process.
type KnownHosts struct {
	path string
	mu   sync.Mutex
}

// NewKnownHosts returns the file of dirs, which need not exist.
func NewKnownHosts(dirs statedir.Dirs) *KnownHosts { return &KnownHosts{path: dirs.KnownHosts()} }

// Put makes key (authorized_keys form) the one of the host called alias.
func (k *KnownHosts) Put(alias, key string) error {
	line := alias + " " + strings.TrimSpace(key)
	return k.edit(func(lines []string) []string {
		if slices.Contains(lines, line) {
			return lines
		}
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, alias+" ") })
		return append(lines, line)
	})
}

// Name makes the key of the VM with this id that of NAME.vm, and of no other
// name; without a name, of none. The line by id stays.
func (k *KnownHosts) Name(id, name string) error {
	return k.edit(func(lines []string) []string { return rename(lines, id, name) })
}

func rename(lines []string, id, name string) []string {
	key := ""
	for _, l := range lines {
		if alias, rest, _ := strings.Cut(l, " "); alias == id {
			key = rest
		}
	}
	if key == "" {
		return lines
	}
	alias := name + vm.NameSuffix
	line := alias + " " + key
	lines = slices.DeleteFunc(lines, func(l string) bool {
		had, rest, _ := strings.Cut(l, " ")
		return strings.HasSuffix(had, vm.NameSuffix) && (rest == key || had == alias) && (name == "" || l != line)
	})
	if name != "" && !slices.Contains(lines, line) {
		lines = append(lines, line)
	}
	return lines
}

// Keep removes all hosts but these VMs, whose names are given by their ids, and
// makes each known by its name.
func (k *KnownHosts) Keep(names map[string]string) error {
	return k.edit(func(lines []string) []string {
		var byID, byName []string
		for _, l := range lines {
			alias, key, _ := strings.Cut(l, " ")
			if name, kept := names[alias]; kept {
				byID = append(byID, l)
				byName = append(byName, name+vm.NameSuffix+" "+key)
			}
		}
		return append(byID, byName...)
	})
}

func (k *KnownHosts) edit(change func([]string) []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	data, err := readFile(k.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("known hosts: %w", err)
	}
	lines := strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
	after := change(slices.Clone(lines))
	if slices.Equal(lines, after) {
		return nil
	}
	return replace(k.path, []byte(strings.Join(append(after, ""), "\n")))
}

func readFile(path string) ([]byte, error) { return regularfile.Read(path, maxFile) }

// replace stages the file (mode 0600), flushes it and renames it in.
func replace(path string, data []byte) error { return replaceMode(path, data, 0o600) }

func replaceMode(path string, data []byte, mode os.FileMode) error {
	staged := path + statedir.StagingSuffix
	file, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if errors.Is(err, os.ErrPermission) {
		return fault.Wrap(fault.PermissionDenied, err, "cannot write %s", path).WithHint("ls -ld %s", filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(staged, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return nil
}
