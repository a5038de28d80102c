package kernelstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/statedir"
)

// draft is a kernel.Draft: a staging directory beside the kernel's place.
type draft struct {
	store *Store
	name  string
	dir   statedir.Kernel // the staging directory; empty after Commit and Discard
	place string          // where Commit puts it
}

// Begin makes a staging directory for the kernel called name.
func (s *Store) Begin(ctx context.Context, name string) (kernel.Draft, error) {
	if err := kernel.CheckName(name); err != nil {
		return nil, err
	}
	return s.BeginIn(ctx, name, string(s.dirs.Kernel(name)))
}

// BeginIn makes a staging directory beside place, whose parent exists.
func (s *Store) BeginIn(_ context.Context, name, place string) (kernel.Draft, error) {
	dir, err := os.MkdirTemp(filepath.Dir(place), filepath.Base(place)+".*"+statedir.StagingSuffix)
	if err != nil {
		return nil, fmt.Errorf("stage kernel %s: %w", name, err)
	}
	d := &draft{store: s, name: name, dir: statedir.Kernel(dir), place: place}
	if err := os.Mkdir(d.dir.Work(), 0o700); err != nil {
		return nil, errors.Join(err, d.Discard())
	}
	return d, nil
}

// Files returns the paths at which the parts are to be written.
func (d *draft) Files() kernel.Files {
	return kernel.Files{
		Vmlinux: d.dir.Vmlinux(), Modules: d.dir.Modules(),
		BootModules: d.dir.BootModules(), WorkDir: d.dir.Work(),
	}
}

// CreateInitrd makes the initrd's file.
func (d *draft) CreateInitrd() (io.WriteCloser, error) {
	return os.OpenFile(d.dir.Initrd(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (d *draft) bundle() string { return filepath.Join(d.dir.Work(), "bundle") }

// BundleDir makes the directory for the files of a bundle.
func (d *draft) BundleDir() (string, error) { return d.bundle(), os.Mkdir(d.bundle(), 0o700) }

// TakeBundle moves the files of a bundle, but for the kernel, to their places.
func (d *draft) TakeBundle() error {
	for name, place := range map[string]string{
		kernel.BundleInitrd:  d.dir.Initrd(),
		kernel.BundleModules: d.dir.Modules(), kernel.BundleBootModules: d.dir.BootModules(),
	} {
		err := os.Rename(filepath.Join(d.bundle(), name), place)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Discard removes what was staged, unless it was committed.
func (d *draft) Discard() error {
	if d.dir == "" {
		return nil
	}
	dir := d.dir
	d.dir = ""
	return os.RemoveAll(string(dir))
}

// Commit completes m and renames the staging directory to its place.
func (d *draft) Commit(ctx context.Context, m kernel.Manifest) (kernel.Manifest, error) {
	m, err := d.finish(ctx, m)
	if err != nil {
		return kernel.Manifest{}, err
	}
	err = os.Rename(string(d.dir), d.place)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return kernel.Manifest{}, fault.New(fault.Conflict, "kernel %s already exists", d.name)
	}
	if err != nil {
		return kernel.Manifest{}, err
	}
	d.dir = ""
	return m, statedir.SyncDir(filepath.Dir(d.place))
}

// Replace completes m and gives it the name, whoever has it. A kernel that is
// replaced changes places with the staging directory, which Discard removes.
func (d *draft) Replace(ctx context.Context, m kernel.Manifest) (kernel.Manifest, error) {
	if _, err := os.Lstat(d.place); errors.Is(err, fs.ErrNotExist) {
		return d.Commit(ctx, m)
	}
	m, err := d.finish(ctx, m)
	if err != nil {
		return kernel.Manifest{}, err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, string(d.dir), unix.AT_FDCWD, d.place, unix.RENAME_EXCHANGE); err != nil {
		return kernel.Manifest{}, fmt.Errorf("replace kernel %s: %w", d.name, err)
	}
	return m, statedir.SyncDir(filepath.Dir(d.place))
}

// finish makes the staging directory whole, and has it written to the disk.
func (d *draft) finish(ctx context.Context, m kernel.Manifest) (kernel.Manifest, error) {
	if err := os.RemoveAll(d.dir.Work()); err != nil {
		return kernel.Manifest{}, err
	}
	m.Name, m.Format, m.SizeBytes = d.name, kernel.ManifestFormat, 0
	if err := d.complete(ctx, &m); err != nil {
		return kernel.Manifest{}, err
	}
	if err := d.writeManifest(m); err != nil {
		return kernel.Manifest{}, err
	}
	return m, statedir.SyncDir(string(d.dir))
}

// complete fills in the hashes and the size of what was written, and has it
// written to the disk.
func (d *draft) complete(ctx context.Context, m *kernel.Manifest) error {
	var err error
	if m.SHA256, err = sealFile(ctx, d.dir.Vmlinux(), &m.SizeBytes); err != nil {
		return err
	}
	if m.Initrd, err = sealOptional(ctx, d.dir.Initrd(), &m.SizeBytes); err != nil {
		return err
	}
	if m.ModulesSHA, err = sealOptional(ctx, d.dir.Modules(), &m.SizeBytes); err != nil {
		return err
	}
	m.BootModulesSHA256, err = hashBoot(*m, func(name string) (string, error) {
		return sealFile(ctx, filepath.Join(d.dir.BootModules(), name), &m.SizeBytes)
	})
	if err != nil {
		return err
	}
	if len(m.BootModules)+len(m.LateModules) == 0 {
		return nil
	}
	return statedir.SyncDir(d.dir.BootModules())
}

func sealOptional(ctx context.Context, path string, size *int64) (string, error) {
	sum, err := sealFile(ctx, path, size)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return sum, err
}

// sealFile hashes a file, syncs it, and adds what it takes on the disk to size.
func sealFile(ctx context.Context, path string, size *int64) (string, error) {
	sum, err := hashFile(ctx, path)
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // nothing was written through it
	if err := f.Sync(); err != nil {
		return "", err
	}
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		*size += stat.Blocks * 512
	}
	return sum, nil
}

func (d *draft) writeManifest(m kernel.Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.dir.Manifest(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
