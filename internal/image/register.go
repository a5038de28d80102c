package image

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// BootFiles are a kernel of the user's, as absolute paths. Kernel is an ELF vmlinux, a
// bzImage or an arm64 Image; the others may be empty.
type BootFiles struct {
	Kernel, Initrd string
	Modules        string // a directory as /lib/modules/VERSION is
}

// RegisterRequest asks for an image whose filesystem is a file of the user's.
type RegisterRequest struct {
	Name   string
	Rootfs string // absolute path
	Boot   BootFiles
	// KernelRef is a local kernel, which the image gets for its own. It excludes Boot.
	KernelRef string
	DiskBytes int64 // as in PullRequest
	Replace   bool  // as in PullRequest
}

func (r RegisterRequest) check() error {
	if err := ValidateName(r.Name); err != nil {
		return err
	}
	for what, path := range map[string]string{"rootfs": r.Rootfs, "kernel": r.Boot.Kernel, "initrd": r.Boot.Initrd, "modules": r.Boot.Modules} {
		if path == "" && what != "rootfs" {
			continue
		}
		if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) || len(path) > maxRefLength {
			return fault.New(fault.Invalid, "the %s %q is not an absolute path", what, path)
		}
	}
	if r.Boot.Kernel == "" && (r.Boot.Initrd != "" || r.Boot.Modules != "") {
		return fault.New(fault.Invalid, "an initrd and modules need their kernel").WithHint("give the kernel too")
	}
	if r.Boot.Kernel != "" && r.KernelRef != "" {
		return fault.New(fault.Invalid, "the kernels %q and %q were both asked for", r.Boot.Kernel, r.KernelRef).WithHint("give one of them")
	}
	return checkDisk(r.DiskBytes)
}

// Register makes an image of the user's own root filesystem, which stays where it is:
// VMs read it, and start only as long as it does not change. Boot files are converted
// and copied into the image. Names are taken as by Pull. When Register ends with an
// error, or ctx is cancelled, nothing has changed. Progress has the stages check,
// those of a kernel's import, and commit.
func (s *Service) Register(ctx context.Context, req RegisterRequest, p operation.Progress) (Image, error) {
	if err := req.check(); err != nil {
		return Image{}, err
	}
	for _, path := range []string{req.Rootfs, req.Boot.Kernel, req.Boot.Initrd, req.Boot.Modules} {
		if path != "" && s.store.Owns(path) {
			return Image{}, fault.New(fault.Invalid, "%s is in banger's own directory, where it can change or disappear", path).
				WithHint("copy it to another directory first")
		}
	}
	if req.KernelRef != "" {
		if err := s.kernels.Check(ctx, req.KernelRef); err != nil {
			return Image{}, err
		}
	}
	p.Stage(stageCheck)
	p.Detail("%s", req.Rootfs)
	m := Manifest{Format: ManifestFormat, ID: newID(), Origin: FromFile, ConfigFormat: ConfigFormat, Source: filepath.Clean(req.Rootfs), OS: "linux", Kernel: req.KernelRef, OwnKernel: req.KernelRef != ""}
	if err := s.look(ctx, &m); err != nil {
		return Image{}, err
	}
	w := wish{
		name: Name{Name: req.Name, Ref: m.Source, DiskBytes: req.DiskBytes}, replace: req.Replace,
		digest: m.identity(), kernel: m.Kernel, own: m.OwnKernel, external: true,
	}
	if req.Boot.Kernel != "" {
		m.Kernel, m.OwnKernel = kernelName(req.Name), true
		w.kernel, w.own = m.Kernel, true
	}
	end, err := s.begin(ctx, w)
	if err != nil {
		return Image{}, err
	}
	defer end()
	if req.Boot.Kernel == "" { // else the files may be others than before
		if done, found, err := s.adopt(ctx, w); found || err != nil {
			return done, err
		}
	}
	return s.stage(ctx, w, m, req.Boot, p)
}

// stage stages a registered image and publishes it.
func (s *Service) stage(ctx context.Context, w wish, m Manifest, boot BootFiles, p operation.Progress) (Image, error) {
	staging, err := s.store.Stage(ctx, m.ID)
	if err != nil {
		return Image{}, err
	}
	defer func() {
		if err := staging.Discard(); err != nil {
			s.log.Warn("remove a staged image", "id", m.ID, "error", err)
		}
	}()
	switch {
	case boot.Kernel != "":
		err = s.kernels.Build(ctx, m.Kernel, boot, staging.KernelDir(), p)
	case w.own:
		err = s.kernels.Keep(ctx, m.Kernel, staging.KernelDir())
	}
	if err != nil {
		return Image{}, err
	}
	p.Stage(stageCommit)
	if err := s.Usable(m); err != nil { // it may have changed meanwhile
		return Image{}, err
	}
	done, err := s.publish(ctx, w, m, staging)
	if err == nil {
		s.log.Info("image registered", "id", m.ID, "name", done.Name, "rootfs", m.Source)
	}
	return done, err
}

// look checks the file at m's Source, and notes what it is.
func (s *Service) look(ctx context.Context, m *Manifest) error {
	before, err := s.store.Stat(m.Source)
	if err != nil {
		return err
	}
	found, err := s.files.Inspect(ctx, m.Source)
	if err != nil {
		return err
	}
	m.RootfsBytes, m.Architecture = before.Bytes, found.Architecture
	m.External = &External{Path: m.Source, ModifiedAt: before.ModifiedAt.UTC(), Inode: before.Inode}
	return s.Usable(*m)
}

// reregister takes a file of the user's as it is now.
func (s *Service) reregister(ctx context.Context, m Manifest) (Manifest, error) {
	now := Manifest{ID: m.ID, Names: m.Names, Source: m.External.Path}
	if err := s.look(ctx, &now); err != nil {
		return m, err
	}
	if now.identity() == m.identity() && now.RootfsBytes == m.RootfsBytes {
		return m, nil
	}
	return s.amend(ctx, m.ID, func(m *Manifest) {
		m.External, m.RootfsBytes, m.Architecture = now.External, now.RootfsBytes, now.Architecture
	})
}

// kernelName is what a kernel of the user's is called: as its image, as far as that
// is the name of a kernel.
func kernelName(image string) string {
	const most = 63
	return strings.Trim(image[:min(len(image), most)], "-._")
}
