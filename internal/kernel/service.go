package kernel

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Source is an open directory that holds a kernel. Names in it never reach
// outside of it. The caller closes it.
type Source interface {
	fs.FS
	io.Closer
}

// Executables reads kernels' executables.
type Executables interface {
	// Probe reads what the executable called name says of itself. It is
	// Invalid when that is no kernel.
	Probe(ctx context.Context, fsys fs.FS, name string) (Binary, error)
	// Extract writes the uncompressed kernel in the file called name to the
	// new file dst: an ELF vmlinux on amd64, an Image on arm64.
	Extract(ctx context.Context, fsys fs.FS, name, dst string) (Binary, error)
}

// ModuleRequest asks for the modules of a kernel to be packed.
type ModuleRequest struct {
	FS      fs.FS
	Dir     string // of the modules, in FS
	Version string
	// WorkDir is an empty directory for whatever is in between; the caller
	// removes it. Image is the filesystem to make, and BootDir the directory
	// to make for the modules that the initramfs carries.
	WorkDir, Image, BootDir string
}

// ModuleSet is what was packed.
type ModuleSet struct {
	Count int
	// Boot and Late are file names below BootDir, each in load order.
	Boot, Late []string
	// Devices holds those of them that only one virtio device needs, with its
	// device ID.
	Devices map[string]uint32
}

// ModulePacker turns a directory of modules into what a guest needs.
type ModulePacker interface {
	// Pack writes r.Image and fills r.BootDir. It begins the stages "modules",
	// "depmod" and "pack".
	Pack(ctx context.Context, r ModuleRequest, p operation.Progress) (ModuleSet, error)
}

// Draft is a kernel that is being written. Exactly one of Commit and Discard
// ends it; Discard after Commit does nothing.
type Draft interface {
	Files() Files
	// CreateInitrd makes the initrd's file; the caller closes it.
	CreateInitrd() (io.WriteCloser, error)
	// BundleDir makes an empty directory for the files of a bundle, and TakeBundle
	// moves them, but for the kernel, from there to their places. Any may be missing.
	BundleDir() (string, error)
	TakeBundle() error
	// Commit completes m (hashes, sizes, format), makes everything durable and
	// gives the kernel its name. It is Conflict when the name was taken meanwhile.
	Commit(ctx context.Context, m Manifest) (Manifest, error)
	// Replace is Commit, but takes the place of a kernel that has the name, in one
	// step: there is always the one or the other.
	Replace(ctx context.Context, m Manifest) (Manifest, error)
	Discard() error
}

// Files are the paths at which a Draft's parts are to be written. WorkDir is
// an empty directory, which Commit removes; of the others none exists yet.
type Files struct {
	Vmlinux, Modules, BootModules, WorkDir string
}

// Store keeps kernels.
type Store interface {
	// List returns all kernels, sorted by name, those that are damaged with their Problem.
	List(ctx context.Context) ([]Manifest, error)
	// Get is NotFound when there is none of that name, and Unavailable when it is damaged.
	Get(ctx context.Context, name string) (Manifest, error)
	Begin(ctx context.Context, name string) (Draft, error)
	// BeginIn is Begin for a kernel outside the catalog: Commit makes the directory dir.
	BeginIn(ctx context.Context, name, dir string) (Draft, error)
	// Remove is NotFound when there is none of that name. A crash leaves the
	// whole kernel or nothing that List shows.
	Remove(ctx context.Context, name string) error
	// Sweep removes what an interrupted Begin or Remove left behind.
	Sweep(ctx context.Context) error
}

// Users are VMs and images: each boots its own kernel, made of one here.
type Users interface {
	// Release sees that each user of the kernel called name has its own, and says
	// who they are, as in "VM web". Conflict when one cannot have it yet.
	Release(ctx context.Context, name string) ([]string, error)
}

// Events hears of kernels of the catalog, once they are stored or removed. Its methods
// must not wait.
type Events interface {
	KernelChanged(m Manifest)
	KernelDeleted(name string)
}

// Deps are what a Service works with.
type Deps struct {
	Store       Store
	Executables Executables
	Modules     ModulePacker
	Users       Users
	Open        func(dir string) (Source, error)
	Now         func() time.Time
	// Architecture is the host's, as GOARCH has it: other kernels are refused.
	Architecture string
	// Distro and Release are ID and VERSION_ID of the host's os-release.
	Distro, Release string
	// Catalogs, Packages and Bundles are for Pull, Obtain and Offers only.
	Catalogs Catalogs
	Packages Packages
	Bundles  Bundles
	Events   Events // may be nil
}

// Service is the kernel catalog. It is safe for concurrent use.
type Service struct {
	d       Deps
	pulling chan struct{} // holds one while a kernel is pulled
}

// NewService makes the catalog.
func NewService(d Deps) *Service { return &Service{d: d, pulling: make(chan struct{}, 1)} }

func (s *Service) host() Host {
	return Host{Architecture: s.d.Architecture, Distro: s.d.Distro, Release: s.d.Release}
}

// List returns all kernels, sorted by name, also damaged ones.
func (s *Service) List(ctx context.Context) ([]Manifest, error) { return s.d.Store.List(ctx) }

// Get returns the kernel called name, or NotFound.
func (s *Service) Get(ctx context.Context, name string) (Manifest, error) {
	if err := CheckName(name); err != nil {
		return Manifest{}, err
	}
	return s.d.Store.Get(ctx, name)
}

// Default returns the kernel that a VM gets when it names none: the one that
// was imported last. It is NotFound when there is none at all, and Unavailable when that
// one is damaged, or may be one that is: no other takes its place without a word.
func (s *Service) Default(ctx context.Context) (Manifest, error) {
	all, err := s.d.Store.List(ctx)
	if err != nil {
		return Manifest{}, err
	}
	if len(all) == 0 {
		return Manifest{}, fault.New(fault.NotFound, "no kernel is local").
			Try(act.KernelImport.On(""))
	}
	last := slices.MaxFunc(all, func(a, b Manifest) int {
		return cmp.Or(a.imported().Compare(b.imported()), CompareVersions(a.Version, b.Version))
	})
	if last.Problem != nil {
		return Manifest{}, fault.Wrap(fault.Unavailable, last.Problem, "the default kernel cannot be used")
	}
	return last, nil
}

// imported is when the kernel was imported; of one of which that is not known, last.
func (m Manifest) imported() time.Time {
	if m.ImportedAt.IsZero() && m.Problem != nil {
		return time.Unix(1<<40, 0)
	}
	return m.ImportedAt
}

// Remove deletes the kernel called name, and says who uses it, as in "VM web": they
// keep their own kernel. It is Conflict while that cannot be.
func (s *Service) Remove(ctx context.Context, name string) (users []string, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if _, err := s.d.Store.Get(ctx, name); err == nil { // a damaged one is nobody's
		if users, err = s.d.Users.Release(ctx, name); err != nil {
			return nil, fmt.Errorf("find out who uses kernel %s: %w", name, err)
		}
	}
	err = s.d.Store.Remove(ctx, name)
	if err == nil && s.d.Events != nil {
		s.d.Events.KernelDeleted(name)
	}
	return users, err
}

// Sweep removes what interrupted work left behind. Call it before anything
// else uses the catalog.
func (s *Service) Sweep(ctx context.Context) error { return s.d.Store.Sweep(ctx) }
