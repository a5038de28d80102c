package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Package is a distribution's kernel, unpacked. The caller closes it, which removes its
// files.
type Package struct {
	Source

	// Parts are the packages that it is made of: the kernel's, and those of its modules
	// where the distribution packs them apart.
	Parts []PackageFile
}

// PackageFile is a distribution's package.
type PackageFile struct {
	Name, Version string
	URL           string // where the distribution's client got it
	SHA256        string // of the package's file
}

// The stages of getting a kernel.
const (
	StageDownload = "download"
	StageUnpack   = "unpack"
)

// Packages gets the packages of the host's own distribution.
type Packages interface {
	// Open downloads the kernel package that meta depends on, and those of its modules,
	// verified by the distribution's own client, and unpacks them. Unavailable when that is not
	// here, or cannot get it. It begins the stages StageDownload and StageUnpack.
	Open(ctx context.Context, meta string, p operation.Progress) (Package, error)
}

// Bundles gets kernels that were packed by banger.
type Bundles interface {
	// Unpack downloads the bundle with this sha256 (hex) and size in bytes, and
	// puts its files into dir, which is empty. What a bundle must not have in it
	// is Invalid. from is the URL that the bundle is from: url, or one from which an
	// earlier call got all of it. It begins the stages StageDownload and StageUnpack.
	Unpack(ctx context.Context, url, sha256 string, size int64, dir string, p operation.Progress) (from string, err error)
}

// Pull gets the kernel called name from a catalog. One that is here already is
// Conflict, unless force says to replace it: whole, by one step, and only when the
// new one is complete. When Pull fails, or ctx ends, nothing has changed. Only one
// kernel is pulled at a time.
func (s *Service) Pull(ctx context.Context, name string, force bool, p operation.Progress) (Manifest, error) {
	if err := CheckName(name); err != nil {
		return Manifest{}, err
	}
	done, err := s.turn(ctx)
	if err != nil {
		return Manifest{}, err
	}
	defer done()
	p.Stage("catalog")
	o, err := s.offer(ctx, name)
	if err != nil {
		return Manifest{}, err
	}
	if problem := o.Local.Problem; problem != nil && !force {
		return Manifest{}, problem
	}
	if !force && (o.State == Pulled || o.State == Imported) {
		return Manifest{}, fault.New(fault.Conflict, "kernel %s already exists (%s, from %s)", name, o.Local.Version, o.Local.Source).
			Try(act.KernelPull.On(name, act.Force))
	}
	return s.pull(ctx, o, p)
}

// Obtain returns the kernel called name, or the default one where name is empty,
// and pulls what is not here: of the default, the first that a catalog has for this
// host.
func (s *Service) Obtain(ctx context.Context, name string, p operation.Progress) (Manifest, error) {
	m, err := s.find(ctx, name)
	if !errors.Is(err, fault.NotFound) {
		return m, err
	}
	done, err := s.turn(ctx)
	if err != nil {
		return Manifest{}, err
	}
	defer done()
	// Another one may have pulled it meanwhile.
	if m, err := s.find(ctx, name); !errors.Is(err, fault.NotFound) {
		return m, err
	}
	p.Stage("catalog")
	o, err := s.offer(ctx, name)
	if err != nil {
		return Manifest{}, err
	}
	return s.pull(ctx, o, p)
}

func (s *Service) find(ctx context.Context, name string) (Manifest, error) {
	if name == "" {
		return s.Default(ctx)
	}
	return s.Get(ctx, name)
}

// turn waits until nobody else pulls.
func (s *Service) turn(ctx context.Context) (done func(), err error) {
	select {
	case s.pulling <- struct{}{}:
		return func() { <-s.pulling }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Service) pull(ctx context.Context, o Offer, p operation.Progress) (Manifest, error) {
	e := o.Entry
	p.Detail("%s: %s", e.Name, e.Description)
	if needs := s.host().Needs(e); needs != "" {
		return Manifest{}, fault.New(fault.Unavailable, "kernel %s is a package of %s, and this host is %s", e.Name, needs, s.host()).
			Try(act.KernelList.Do(act.Available))
	}
	m, err := s.pullFrom(ctx, o, p)
	if err != nil {
		return Manifest{}, fmt.Errorf("pull kernel %s: %w", e.Name, err)
	}
	return m, nil
}

func (s *Service) pullFrom(ctx context.Context, o Offer, p operation.Progress) (Manifest, error) {
	if o.Entry.AptPackage == "" {
		return s.pullBundle(ctx, o, p)
	}
	pkg, err := s.d.Packages.Open(ctx, o.Entry.AptPackage, p)
	if err != nil {
		return Manifest{}, err
	}
	defer pkg.Close() //nolint:errcheck // what is left of it, the next start sweeps
	of := pkg.Parts[0]
	m, layout, err := s.describe(ctx, pkg, p)
	if err != nil {
		return Manifest{}, fmt.Errorf("package %s: %w", of.Name, err)
	}
	m.Name, m.Source = o.Entry.Name, PullSource+of.URL
	m.Trust = []string{
		o.Origin.Chain(),
		fmt.Sprintf("package %s of %s %s depends on %s %s", o.Entry.AptPackage, o.Entry.Distro, o.Entry.Release, of.Name, of.Version),
	}
	for _, part := range pkg.Parts {
		m.Trust = append(m.Trust, fmt.Sprintf("apt verified %s by the keys of this host's package sources; sha256 %s", part.Name, part.SHA256))
	}
	return s.catalogue(ctx, m, p, Draft.Replace, func(ctx context.Context, draft Draft, m *Manifest) error {
		return s.fill(ctx, pkg, layout, draft, m, p)
	})
}

// pullBundle takes over what was imported elsewhere: its files as they are, and of
// its manifest only what is checked here.
func (s *Service) pullBundle(ctx context.Context, o Offer, p operation.Progress) (Manifest, error) {
	e := o.Entry
	url, err := catalog.Resolve(o.Origin.URL, e.TarballURL)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Name: e.Name, SourceSHA256: e.TarballSHA256}
	return s.catalogue(ctx, m, p, Draft.Replace, func(ctx context.Context, draft Draft, m *Manifest) error {
		dir, err := draft.BundleDir()
		if err != nil {
			return err
		}
		from, err := s.d.Bundles.Unpack(ctx, url, e.TarballSHA256, e.SizeBytes, dir, p)
		if err != nil {
			return err
		}
		m.Source = PullSource + from
		m.Trust = []string{o.Origin.Chain(), "the catalog has the sha256 of " + from + ": " + e.TarballSHA256}
		p.Stage("verify")
		src, err := s.d.Open(dir)
		if err != nil {
			return err
		}
		defer src.Close() //nolint:errcheck // read only
		if err := s.adopt(ctx, src, e, draft.Files().Vmlinux, m); err != nil {
			return err
		}
		return draft.TakeBundle()
	})
}

// adopt checks the files of a bundle, writes its kernel to the file vmlinux, and
// completes m by what its manifest says.
func (s *Service) adopt(ctx context.Context, src Source, e Entry, vmlinux string, m *Manifest) error {
	b, err := readBundle(src)
	if err != nil {
		return err
	}
	bin, err := s.d.Executables.Extract(ctx, src, BundleVmlinux, vmlinux)
	if err != nil {
		return fmt.Errorf("%s: %w", BundleVmlinux, err)
	}
	if err := s.checkArchitecture(Layout{Image: BundleVmlinux, Binary: bin}); err != nil {
		return err
	}
	if b.Modules == 0 && bin.Lacks != "" {
		return fault.New(fault.Invalid, "the bundle's kernel has no %s built in, and the bundle no modules", bin.Lacks)
	}
	if bin.Version != "" && bin.Version != b.Version || b.Version != e.KernelVersion {
		return fault.New(fault.Invalid, "the bundle's kernel calls itself %q, its %s says %q and the catalog says %q", bin.Version, b.Version, BundleManifest, e.KernelVersion)
	}
	m.Version, m.Architecture, m.PVH = b.Version, bin.Architecture, bin.PVH
	m.Modules, m.BootModules, m.LateModules, m.ModuleDevices = b.Modules, b.BootModules, b.LateModules, b.ModuleDevices
	return nil
}
