package kernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// maxFile bounds each file that an import reads, in bytes.
const maxFile = 1 << 30

// Import takes the newest kernel in the directory dir of the host into the
// catalog as name. Importing the same kernel again does nothing; another one
// under a name that is taken is Conflict. When it fails, or ctx ends, nothing
// is left of it.
func (s *Service) Import(ctx context.Context, name, dir string, p operation.Progress) (Manifest, error) {
	if err := CheckName(name); err != nil {
		return Manifest{}, err
	}
	p.Stage("find")
	src, err := s.d.Open(dir)
	if err != nil {
		return Manifest{}, err
	}
	defer src.Close() //nolint:errcheck // read only
	m, layout, err := s.describe(ctx, src, p)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", dir, err)
	}
	m.Name, m.Source = name, dir
	if old, err := s.existing(ctx, m); err == nil || !errors.Is(err, fault.NotFound) {
		return old, err
	}
	m, err = s.catalogue(ctx, m, p, Draft.Commit, func(ctx context.Context, draft Draft, m *Manifest) error {
		return s.fill(ctx, src, layout, draft, m, p)
	})
	if errors.Is(err, fault.Conflict) { // somebody else was quicker
		return s.existing(ctx, Manifest{Name: name, SourceSHA256: m.SourceSHA256})
	}
	return m, err
}

// describe finds the newest kernel in src, and begins its manifest.
func (s *Service) describe(ctx context.Context, src Source, p operation.Progress) (Manifest, Layout, error) {
	layout, err := Find(ctx, src, s.d.Executables)
	if err != nil {
		return Manifest{}, Layout{}, err
	}
	if err := s.checkArchitecture(layout); err != nil {
		return Manifest{}, Layout{}, err
	}
	p.Detail("%s", layout.Version)
	m := Manifest{Version: layout.Version, Architecture: layout.Binary.Architecture}
	m.SourceSHA256, err = fingerprint(ctx, src, layout)
	return m, layout, err
}

func (s *Service) checkArchitecture(l Layout) error {
	if got := l.Binary.Architecture; got != s.d.Architecture {
		return fault.New(fault.Invalid, "%s is a kernel for %s, and this host is %s", l.Image, got, s.d.Architecture).
			WithHint("import a kernel built for %s", s.d.Architecture)
	}
	return nil
}

// existing returns the kernel that has m's name already: NotFound if there is
// none, Conflict if it is another one.
func (s *Service) existing(ctx context.Context, m Manifest) (Manifest, error) {
	old, err := s.d.Store.Get(ctx, m.Name)
	if err != nil {
		return Manifest{}, err
	}
	if old.SourceSHA256 != m.SourceSHA256 {
		return Manifest{}, fault.New(fault.Conflict, "kernel %s already exists (%s, from %s)", m.Name, old.Version, old.Source).
			WithHint("%s, or import under another name", act.KernelDelete.On(m.Name))
	}
	return old, nil
}

// catalogue is build for a kernel of the catalog.
func (s *Service) catalogue(
	ctx context.Context, m Manifest, p operation.Progress,
	finish func(Draft, context.Context, Manifest) (Manifest, error), fill func(context.Context, Draft, *Manifest) error,
) (Manifest, error) {
	m, err := s.build(ctx, m, p, s.d.Store.Begin, finish, fill)
	if err == nil && s.d.Events != nil {
		s.d.Events.KernelChanged(m)
	}
	return m, err
}

// build drafts the kernel m, has fill write its files and complete m, and ends the
// draft by finish. When it fails nothing is left of it; m is returned all the same.
func (s *Service) build(
	ctx context.Context, m Manifest, p operation.Progress, begin func(context.Context, string) (Draft, error),
	finish func(Draft, context.Context, Manifest) (Manifest, error), fill func(context.Context, Draft, *Manifest) error,
) (_ Manifest, err error) {
	m.Format, m.ImportedAt = ManifestFormat, s.d.Now().UTC()
	draft, err := begin(ctx, m.Name)
	if err != nil {
		return m, err
	}
	defer func() {
		if derr := draft.Discard(); derr != nil {
			err = errors.Join(err, derr)
		}
		if errors.Is(err, syscall.ENOSPC) && !errors.Is(err, fault.Unavailable) {
			err = fault.Wrap(fault.Unavailable, err, "no space left for kernel %s", m.Name).
				WithHint("free some space: %s, or %s", act.KernelDelete.On(""), act.ImageDelete.On(""))
		}
	}()
	if err := fill(ctx, draft, &m); err != nil {
		return m, err
	}
	p.Stage("store")
	if err := ctx.Err(); err != nil {
		return m, err
	}
	done, err := finish(draft, ctx, m)
	if err != nil {
		return m, err
	}
	return done, nil
}

// fill writes the files of the kernel at l in src, and completes m.
func (s *Service) fill(ctx context.Context, src fs.FS, l Layout, draft Draft, m *Manifest, p operation.Progress) error {
	p.Stage("extract vmlinux")
	files := draft.Files()
	bin, err := s.d.Executables.Extract(ctx, src, l.Image, files.Vmlinux)
	if err != nil {
		return fmt.Errorf("extract %s: %w", l.Image, err)
	}
	m.PVH, m.Architecture = bin.PVH, bin.Architecture
	if err := s.checkArchitecture(Layout{Image: l.Image, Binary: bin}); err != nil {
		return err
	}
	if l.Modules == "" && bin.Lacks != "" {
		return fault.New(fault.Invalid, "%s has no %s built in, and there are no modules with it", l.Image, bin.Lacks).
			WithHint("give its modules too: a directory as /lib/modules/%s is", l.Version)
	}
	if l.Initrd != "" {
		if err := copyInitrd(ctx, src, l.Initrd, draft); err != nil {
			return fmt.Errorf("copy %s: %w", l.Initrd, err)
		}
	}
	if l.Modules != "" {
		set, err := s.d.Modules.Pack(ctx, ModuleRequest{
			FS: src, Dir: l.Modules, Version: l.Version,
			WorkDir: files.WorkDir, Image: files.Modules, BootDir: files.BootModules,
		}, p)
		if err != nil {
			return fmt.Errorf("modules of %s: %w", l.Version, err)
		}
		m.Modules, m.BootModules, m.LateModules, m.ModuleDevices = set.Count, set.Boot, set.Late, set.Devices
	}
	return nil
}

// fingerprint hashes all that an import takes from fsys.
func fingerprint(ctx context.Context, fsys fs.FS, l Layout) (string, error) {
	h := sha256.New()
	h.Write(fmt.Appendf(nil, "version %s\n", l.Version))
	add := func(label, name string) error {
		if name == "" {
			return nil
		}
		sum, err := hashFile(ctx, fsys, name)
		if err != nil {
			return err
		}
		h.Write(fmt.Appendf(nil, "%s %x\n", label, sum))
		return nil
	}
	if err := errors.Join(add("kernel", l.Image), add("initrd", l.Initrd)); err != nil {
		return "", err
	}
	if l.Modules == "" {
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	// Links are not taken: build and source point to what is not here.
	err := fs.WalkDir(fsys, l.Modules, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return add(fmt.Sprintf("modules %q", strings.TrimPrefix(name, l.Modules)), name)
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashFile(ctx context.Context, fsys fs.FS, name string) ([]byte, error) {
	h := sha256.New()
	if err := readFile(ctx, fsys, name, h); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

func copyInitrd(ctx context.Context, fsys fs.FS, name string, draft Draft) (err error) {
	out, err := draft.CreateInitrd()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return readFile(ctx, fsys, name, out)
}

// readFile copies the regular file called name to w.
func readFile(ctx context.Context, fsys fs.FS, name string, w io.Writer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !isFile(fsys, name) {
		return fault.New(fault.Invalid, "%s is not a regular file", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	n, err := io.Copy(w, io.LimitReader(f, maxFile+1))
	if err == nil && n > maxFile {
		return fault.New(fault.Invalid, "%s is larger than %d bytes", name, int64(maxFile))
	}
	return err
}
