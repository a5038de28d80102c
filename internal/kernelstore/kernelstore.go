// Package kernelstore keeps kernels as directories: see statedir.Kernel.
package kernelstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// maxManifest bounds a manifest, in bytes.
const maxManifest = 1 << 20

// Store is a kernel.Store. It is safe for concurrent use.
type Store struct {
	dirs statedir.Dirs
	log  *slog.Logger
}

// New makes a Store on the kernels' directory, which must exist when the store
// is used.
func New(dirs statedir.Dirs, log *slog.Logger) *Store { return &Store{dirs: dirs, log: log} }

// List returns all kernels, sorted by name, a damaged one with its Problem and what its
// manifest tells.
func (s *Store) List(ctx context.Context) ([]kernel.Manifest, error) {
	entries, err := os.ReadDir(s.dirs.Kernels())
	if err != nil {
		return nil, fmt.Errorf("list the kernels: %w", err)
	}
	all := make([]kernel.Manifest, 0, len(entries))
	for _, e := range entries { // sorted by name
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !e.IsDir() || kernel.CheckName(e.Name()) != nil {
			continue
		}
		m, err := s.Get(ctx, e.Name())
		if errors.Is(err, fault.NotFound) { // removed meanwhile
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			m, _ = readManifest(s.dirs.Kernel(e.Name())) // empty, if it cannot be read
			m.Name, m.Problem = e.Name(), err
		}
		all = append(all, m)
	}
	return slices.Clip(all), nil
}

// Get reads the manifest of the kernel called name, and checks that its files
// are there. One whose files changed after they were stored is Unavailable, too.
func (s *Store) Get(ctx context.Context, name string) (kernel.Manifest, error) {
	dir := s.dirs.Kernel(name)
	m, err := read(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(string(dir)); errors.Is(err, fs.ErrNotExist) {
			return kernel.Manifest{}, notFound(name)
		}
	}
	switch {
	case isNewer(err):
		return kernel.Manifest{}, fmt.Errorf("kernel %s: %w", name, err)
	case err != nil && ctx.Err() != nil:
		return kernel.Manifest{}, context.Cause(ctx)
	case err != nil:
		return kernel.Manifest{}, damaged(name, err)
	}
	m.Name = name
	return m, nil
}

// read reads the manifest in dir, and checks that its files are there. It reads these only
// where one is younger than the manifest, which is written last: it may have changed.
func read(ctx context.Context, dir statedir.Kernel) (kernel.Manifest, error) {
	m, younger, err := look(dir)
	if err == nil && younger {
		err = verify(ctx, dir, m)
	}
	return m, err
}

func look(dir statedir.Kernel) (m kernel.Manifest, younger bool, err error) {
	if m, err = readManifest(dir); err == nil {
		younger, err = check(dir, m)
	}
	return m, younger, err
}

// newerError is the fault of a manifest of a newer banger.
type newerError struct{ fault *fault.Error }

func (e *newerError) Error() string { return e.fault.Error() }
func (e *newerError) Unwrap() error { return e.fault }

func isNewer(err error) bool {
	_, ok := errors.AsType[*newerError](err)
	return ok
}

func readManifest(dir statedir.Kernel) (kernel.Manifest, error) {
	data, err := regularfile.Read(dir.Manifest(), maxManifest)
	if errors.Is(err, fs.ErrNotExist) { // not NotFound: there may be a kernel all the same
		return kernel.Manifest{}, &fs.PathError{Op: "open", Path: dir.Manifest(), Err: fs.ErrNotExist}
	}
	if err != nil {
		return kernel.Manifest{}, err
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return kernel.Manifest{}, err
	}
	if head.Format > kernel.ManifestFormat {
		return kernel.Manifest{}, &newerError{fault.New(fault.Unavailable, "it is of a newer banger (format %d; this one reads up to %d)",
			head.Format, kernel.ManifestFormat).WithHint("upgrade banger")}
	}
	var m kernel.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return kernel.Manifest{}, err
	}
	return m, nil
}

func notFound(name string) error {
	return fault.New(fault.NotFound, "no such kernel: %s", name).Try(act.KernelList.Do())
}

func damaged(name string, err error) error {
	return fault.Wrap(fault.Unavailable, err, "kernel %s is damaged", name).
		WithHint("if a catalog has it: %s; else %s, and import it again", act.KernelPull.On(name, act.Force), act.KernelDelete.On(name))
}

// check finds out whether the files that m tells of are there, and one of them is younger
// than the manifest.
func check(dir statedir.Kernel, m kernel.Manifest) (younger bool, err error) {
	if m.Format < 1 {
		return false, fmt.Errorf("manifest of format %d", m.Format)
	}
	manifest, err := os.Stat(dir.Manifest())
	if err != nil {
		return false, err
	}
	files := []string{dir.Vmlinux()}
	if m.Initrd != "" {
		files = append(files, dir.Initrd())
	}
	if m.ModulesSHA != "" {
		files = append(files, dir.Modules())
	}
	for _, name := range slices.Concat(m.BootModules, m.LateModules) {
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			return false, fmt.Errorf("%q is not a module's file name", name)
		}
		files = append(files, filepath.Join(dir.BootModules(), name))
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return false, err
		}
		if !info.Mode().IsRegular() {
			return false, fmt.Errorf("%s is not a regular file", path)
		}
		younger = younger || info.ModTime().After(manifest.ModTime())
	}
	return younger, nil
}

// Remove deletes the kernel called name, damaged or not.
func (s *Store) Remove(_ context.Context, name string) error {
	doomed, err := os.MkdirTemp(s.dirs.Kernels(), name+".*"+statedir.StagingSuffix)
	if err != nil {
		return err
	}
	err = os.Rename(string(s.dirs.Kernel(name)), filepath.Join(doomed, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = notFound(name)
	}
	return errors.Join(err, os.RemoveAll(doomed))
}

// Sweep removes what an interrupted Begin or Remove left behind.
func (s *Store) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(s.dirs.Kernels())
	if err != nil {
		return fmt.Errorf("sweep the kernels: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), statedir.StagingSuffix) {
			s.log.InfoContext(ctx, "sweep", "path", e.Name())
			errs = append(errs, statedir.RemoveStaged(ctx, filepath.Join(s.dirs.Kernels(), e.Name())))
		}
	}
	return errors.Join(errs...)
}
