package kernelstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/statedir"
)

// Link makes the directory to its own kernel, with the files of the one in
// from: by hard links, or copies (reflinks where the filesystem has them) where they
// cannot be linked. Whatever becomes of from afterwards, to stays. What is at to
// already is left alone; the directory above it exists. NotFound when there is no
// kernel in from.
func (s *Store) Link(ctx context.Context, from, to statedir.Kernel) error {
	if _, err := os.Lstat(string(to)); err == nil {
		return nil
	}
	staged, err := s.stage(ctx, from, to)
	if err != nil {
		return err
	}
	err = os.Rename(staged, string(to))
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) { // another one was quicker
		return os.RemoveAll(staged)
	}
	if err != nil {
		return errors.Join(statedir.DiskFault(err, string(to)), os.RemoveAll(staged))
	}
	return statedir.SyncDir(filepath.Dir(string(to)))
}

// Relink is Link, but takes the place of a kernel that is at to, in one step.
func (s *Store) Relink(ctx context.Context, from, to statedir.Kernel) error {
	if _, err := os.Lstat(string(to)); errors.Is(err, fs.ErrNotExist) {
		return s.Link(ctx, from, to)
	}
	staged, err := s.stage(ctx, from, to)
	if err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, staged, unix.AT_FDCWD, string(to), unix.RENAME_EXCHANGE)
	return errors.Join(statedir.DiskFault(err, string(to)), os.RemoveAll(staged), statedir.SyncDir(filepath.Dir(string(to))))
}

// stage makes a directory beside to with the kernel in from.
func (s *Store) stage(ctx context.Context, from, to statedir.Kernel) (string, error) {
	m, err := s.Read(ctx, from)
	if err != nil {
		return "", err
	}
	staged, err := os.MkdirTemp(filepath.Dir(string(to)), filepath.Base(string(to))+".*"+statedir.StagingSuffix)
	if err != nil {
		return "", statedir.DiskFault(err, string(to))
	}
	if err := linkAll(ctx, m, from, statedir.Kernel(staged)); err != nil {
		return "", errors.Join(statedir.DiskFault(err, string(to)), os.RemoveAll(staged))
	}
	return staged, nil
}

func linkAll(ctx context.Context, m kernel.Manifest, from, to statedir.Kernel) error {
	pairs := [][2]string{{from.Vmlinux(), to.Vmlinux()}}
	if m.Initrd != "" {
		pairs = append(pairs, [2]string{from.Initrd(), to.Initrd()})
	}
	if m.ModulesSHA != "" {
		pairs = append(pairs, [2]string{from.Modules(), to.Modules()})
	}
	boot := slices.Concat(m.BootModules, m.LateModules)
	if len(boot) > 0 {
		if err := os.Mkdir(to.BootModules(), 0o700); err != nil {
			return err
		}
	}
	for _, name := range boot {
		pairs = append(pairs, [2]string{filepath.Join(from.BootModules(), name), filepath.Join(to.BootModules(), name)})
	}
	pairs = append(pairs, [2]string{from.Manifest(), to.Manifest()}) // the last one, as read expects
	for _, pair := range pairs {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := statedir.Link(pair[0], pair[1]); err != nil {
			return err
		}
	}
	if len(boot) > 0 {
		if err := statedir.SyncDir(to.BootModules()); err != nil {
			return err
		}
	}
	return statedir.SyncDir(string(to))
}

// Read reads the manifest of the kernel in dir, wherever that is. NotFound when
// there is none, Unavailable when it is damaged.
func (s *Store) Read(ctx context.Context, dir statedir.Kernel) (kernel.Manifest, error) {
	m, err := read(ctx, dir)
	if ctx.Err() != nil {
		return kernel.Manifest{}, context.Cause(ctx)
	}
	return m, explain(dir, err)
}

// explain says what is wrong with the kernel in dir, by what reading it told.
func explain(dir statedir.Kernel, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(string(dir)); errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.NotFound, "no kernel in %s", dir)
		}
	}
	if err == nil {
		return nil
	}
	if isNewer(err) {
		return fmt.Errorf("the kernel in %s: %w", dir, err)
	}
	return fault.Wrap(fault.Unavailable, err, "the kernel in %s is damaged", dir)
}
