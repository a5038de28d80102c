package kernelstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// Look is Read without reading a file that may have changed.
func (*Store) Look(dir statedir.Kernel) (kernel.Manifest, error) {
	m, _, err := look(dir)
	return m, explain(dir, err)
}

// Verify is Look, and reads all files: Unavailable is also one that is not what the manifest
// says.
func (s *Store) Verify(ctx context.Context, dir statedir.Kernel) error {
	m, err := s.Look(dir)
	if err != nil {
		return err
	}
	return verify(ctx, dir, m)
}

func verify(ctx context.Context, dir statedir.Kernel, m kernel.Manifest) error {
	for _, file := range []struct{ path, sum string }{
		{dir.Vmlinux(), m.SHA256}, {dir.Initrd(), m.Initrd}, {dir.Modules(), m.ModulesSHA},
	} {
		if file.sum == "" {
			continue
		}
		got, err := hashFile(ctx, file.path)
		if err != nil {
			return err
		}
		if got != file.sum {
			return fault.New(fault.Unavailable, "%s has changed: its SHA-256 is %s, not %s", file.path, got, file.sum)
		}
	}
	boot, err := hashBoot(m, func(name string) (string, error) { return hashFile(ctx, filepath.Join(dir.BootModules(), name)) })
	if err == nil && m.BootModulesSHA256 != "" && boot != m.BootModulesSHA256 {
		err = fault.New(fault.Unavailable, "a module in %s has changed", dir.BootModules())
	}
	return err
}

// Expected is what the manifest says of the kernel in dir, whether its files are there or not.
func (s *Store) Expected(dir statedir.Kernel) (kernel.Manifest, error) { return readManifest(dir) }

// hashBoot is the BootModulesSHA256 of modules, each of which hash hashes.
func hashBoot(m kernel.Manifest, hash func(name string) (string, error)) (string, error) {
	h := sha256.New()
	for _, name := range slices.Concat(m.BootModules, m.LateModules) {
		sum, err := hash(name)
		if err != nil {
			return "", err
		}
		h.Write(fmt.Appendf(nil, "%s %s\n", name, sum))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashFile(ctx context.Context, path string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	f, _, err := regularfile.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
