package configure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// maxHosts bounds what is read of the image's /etc/hosts, in bytes.
const maxHosts = 1 << 20

func (c *configuring) identity(context.Context) error {
	name := c.cfg.Hostname
	if name != "" {
		if err := unix.Sethostname([]byte(name)); err != nil {
			return fmt.Errorf("set the hostname %q: %w", name, err)
		}
		if err := place(agentrpc.File{Path: "/etc/hostname", Mode: 0o644, Data: []byte(name + "\n")}); err != nil {
			return err
		}
		if err := addHost(name); err != nil {
			return err
		}
	}
	if c.cfg.MachineID == "" {
		return nil
	}
	return place(agentrpc.File{Path: "/etc/machine-id", Mode: 0o444, Data: []byte(c.cfg.MachineID + "\n")})
}

// addHost makes name resolve to the guest itself, where /etc/hosts does not.
func addHost(name string) error {
	path, err := securejoin.SecureJoin(Root, "/etc/hosts")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(data) > maxHosts {
		return nil
	}
	next := hosts(data, name)
	if bytes.Equal(next, data) {
		return nil
	}
	return place(agentrpc.File{Path: "/etc/hosts", Mode: 0o644, Data: next})
}

func hosts(data []byte, name string) []byte {
	names := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 1 {
			for _, n := range fields[1:] {
				names[n] = true
			}
		}
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(slices.Clip(data), '\n')
	}
	if !names["localhost"] {
		data = append(slices.Clip(data), "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"...)
	}
	if !names[name] {
		data = append(slices.Clip(data), "127.0.1.1\t"+name+"\n"...)
	}
	return data
}

func (c *configuring) files(context.Context) error {
	for _, f := range c.cfg.Files {
		if !filepath.IsAbs(f.Path) {
			return fmt.Errorf("the path %q of a file to place is not absolute", f.Path)
		}
		if err := place(f); err != nil {
			return fmt.Errorf("place %s: %w", f.Path, err)
		}
	}
	return nil
}

// place writes f into the tree, whole or not at all. Its directory's links are
// resolved inside the tree; a link at its own name is replaced.
func place(f agentrpc.File) error {
	dir, err := inside(filepath.Dir(f.Path))
	if err != nil {
		return err
	}
	staged, err := os.CreateTemp(dir, ".banger-*")
	if err != nil {
		return err
	}
	_, err = staged.Write(f.Data)
	err = errors.Join(err,
		staged.Chown(f.UID, f.GID),
		staged.Chmod(os.FileMode(f.Mode).Perm()),
		staged.Close())
	if err == nil {
		err = os.Rename(staged.Name(), filepath.Join(dir, filepath.Base(f.Path)))
	}
	if err != nil {
		return errors.Join(err, os.Remove(staged.Name()))
	}
	return nil
}
