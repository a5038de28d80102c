// Package kmod prepares a kernel's modules for a guest: decompressed, indexed
// by depmod, and packed into one filesystem; and picks those that the
// initramfs carries.
package kmod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
)

// MakeFilesystem writes the tar stream into a new read-only filesystem image
// at path. It may stop reading before the stream's end.
type MakeFilesystem func(ctx context.Context, tar io.Reader, path string) error

// Packer is a kernel.ModulePacker. It is safe for concurrent use.
type Packer struct{ mkfs MakeFilesystem }

// New makes a Packer.
func New(mkfs MakeFilesystem) *Packer { return &Packer{mkfs: mkfs} }

// Pack copies the modules of r.Dir to r.WorkDir, decompressed; has depmod index
// them; writes the tree, as it is below /lib/modules/<version>, to the
// filesystem r.Image; and copies what the initramfs carries to r.BootDir. It
// is Invalid when the modules are not those of a kernel that banger can boot,
// Unavailable when depmod is missing.
func (pk *Packer) Pack(ctx context.Context, r kernel.ModuleRequest, p operation.Progress) (kernel.ModuleSet, error) {
	p.Stage("modules")
	tree, err := makeTree(r.WorkDir, r.Version)
	if err != nil {
		return kernel.ModuleSet{}, err
	}
	count, err := tree.fill(ctx, r.FS, r.Dir, p)
	if err != nil {
		return kernel.ModuleSet{}, err
	}
	p.Stage("depmod")
	if err := tree.depmod(ctx); err != nil {
		return kernel.ModuleSet{}, err
	}
	ix, err := readIndex(tree.dir)
	if err != nil {
		return kernel.ModuleSet{}, err
	}
	boot, late, err := ix.plan()
	if err != nil {
		return kernel.ModuleSet{}, err
	}
	p.Stage("pack")
	if err := pk.pack(ctx, tree.dir, r.Image); err != nil {
		return kernel.ModuleSet{}, err
	}
	set := kernel.ModuleSet{Count: count, Devices: ix.devices()}
	if err := os.Mkdir(r.BootDir, 0o700); err != nil {
		return kernel.ModuleSet{}, err
	}
	if set.Boot, err = tree.copyTo(r.BootDir, boot); err != nil {
		return kernel.ModuleSet{}, err
	}
	set.Late, err = tree.copyTo(r.BootDir, late)
	return set, err
}

// pack streams the tree at dir into a filesystem image.
func (pk *Packer) pack(ctx context.Context, dir, image string) error {
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeTar(ctx, pw, dir)
		pw.CloseWithError(err)
		written <- err
	}()
	err := pk.mkfs(ctx, pr, image)
	// Whatever mkfs left unread (a tar's padding) must not hold up the writer.
	pr.CloseWithError(errNotRead)
	if werr := <-written; werr != nil && !errors.Is(werr, errNotRead) {
		return fmt.Errorf("read the staged modules: %w", werr)
	}
	if err != nil {
		return fmt.Errorf("make the modules' filesystem: %w", err)
	}
	return nil
}

var errNotRead = errors.New("not read")

// maxBoot bounds the modules of one list, in bytes: the initramfs holds them, and
// with that the guest's memory. They say themselves which others they need.
const maxBoot = 64 << 20

// copyTo copies modules, named as in modules.dep, to dir and returns their
// file names.
func (t tree) copyTo(dir string, modules []string) ([]string, error) {
	names := make([]string, 0, len(modules))
	var total int64
	for _, m := range modules {
		name := filepath.Base(m)
		info, err := os.Stat(filepath.Join(t.dir, filepath.FromSlash(m)))
		if err != nil {
			return nil, err
		}
		if total += info.Size(); total > maxBoot {
			return nil, invalid("the modules that a guest needs to start have more than %s", fault.Bytes(maxBoot))
		}
		data, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(m)))
		if err != nil {
			return nil, err
		}
		err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, format, args...)
}
