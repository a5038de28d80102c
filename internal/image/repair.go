package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Verify reads the files of the image that Get finds, and returns what Usable does if
// they are missing or have changed. It changes nothing. Progress has the stage verify.
func (s *Service) Verify(ctx context.Context, name string, p operation.Progress) (Image, error) {
	m, err := s.Get(ctx, name)
	if err != nil {
		return Image{}, err
	}
	p.Stage(stageVerify)
	p.Detail("%s", s.store.RootfsPath(m.Manifest))
	if err := s.verify(ctx, m.Manifest); err != nil {
		return m, err
	}
	if err := s.verifyLayers(ctx, m.Manifest); err != nil {
		return m, err
	}
	return m, s.verifyKernel(ctx, m.Manifest)
}

// verify reads the filesystem.
func (s *Service) verify(ctx context.Context, m Manifest) error {
	if err := s.Usable(m); err != nil {
		return err
	}
	path := s.store.RootfsPath(m)
	if m.External != nil {
		_, err := s.files.Inspect(ctx, path)
		return err
	}
	got, err := s.files.Read(ctx, path)
	switch {
	case err != nil:
		return fmt.Errorf("read the files of image %s: %w", m.Label(), err)
	case m.RootfsSHA256 == "":
		return fault.New(fault.Unavailable, "image %s has no checksum that tells whether its files are whole: an older banger made it", m.Label()).
			WithHint("VMs start from it; to store one: %s", act.ImageRepair.On(m.Label()))
	case got.SHA256 != m.RootfsSHA256:
		return m.broken("its file %s has changed: its SHA-256 is %s, not %s", path, got.SHA256, m.RootfsSHA256)
	}
	return nil
}

// Whole returns nil once the image's filesystem has been read and is what was stored, and
// else a fault Unavailable: what is made of an image's files is made of no others. An image
// of format 1 gets the checksums of its files, unless these are no root filesystem.
func (s *Service) Whole(ctx context.Context, m Manifest) error {
	if m.RootfsSHA256 == "" && m.External == nil && s.Usable(m) == nil {
		_, err := s.adoptFiles(ctx, m)
		return err
	}
	return s.verify(ctx, m)
}

// Repaired is an image, and what Repair did.
type Repaired struct {
	Image
	Changed bool // something was wrong; else nothing was, and nothing was done
	// LostLayers are how many layers the image no longer has, because one was not whole,
	// and Lost says which.
	LostLayers int
	Lost       string
}

// Repair makes the files of the image that Get finds again if Verify finds fault with
// them: from cached layers, or what its reference leads to, which must have the same
// digest. An image of format 1 gets its checksums, and one of an older build what that did
// not store of its configuration, if its reference leads to it. A file of the user's is checked
// anew and taken as it is now. A committed image is made of its base and its layers; one
// whose file is whole, but not its layers, goes on without these. A kernel of the image's
// own is copied again, and a damaged manifest is that of its copy. When Repair ends with
// an error, each of these is as it was, or whole. Progress has the stage verify, and those
// of Pull.
func (s *Service) Repair(ctx context.Context, name string, p operation.Progress) (Repaired, error) {
	m, err := s.Get(ctx, name)
	if err != nil {
		return Repaired{}, err
	}
	if m.Unknown() {
		return Repaired{Image: m}, m.damage()
	}
	end, err := s.begin(ctx, wish{name: Name{Name: m.Name, Ref: m.Ref}, replace: true, digest: m.identity()})
	if err != nil {
		return Repaired{}, err
	}
	defer end()
	p.Stage(stageVerify)
	done := Repaired{Image: m}
	if m.Damaged != "" {
		done.Changed = true
		if done.Manifest, err = s.amend(ctx, m.ID, func(*Manifest) {}); err != nil {
			return done, err
		}
	}
	if err := s.repairFiles(ctx, &done, p); err != nil {
		return done, err
	}
	if err := s.inquire(ctx, &done, p); err != nil || s.verifyKernel(ctx, done.Manifest) == nil {
		return done, err
	}
	done.Changed = true
	return done, s.kernels.Restore(ctx, m.ID, m.Kernel, p)
}

// repairFiles is Repair of the filesystem and the layers.
func (s *Service) repairFiles(ctx context.Context, done *Repaired, p operation.Progress) (err error) {
	m := done.Manifest
	switch {
	case m.External != nil:
		done.Manifest, err = s.reregister(ctx, m)
		done.Changed = done.Changed || done.External == nil || *done.External != *m.External || done.RootfsBytes != m.RootfsBytes
		return err
	case m.RootfsSHA256 == "" && s.Usable(m) == nil:
		done.Changed = true
		done.Manifest, err = s.adoptFiles(ctx, m)
		return err
	case s.verify(ctx, m) != nil:
		done.Changed = true
		done.Manifest, err = s.remake(ctx, m, p)
		return err
	}
	lost := s.checkLayers(ctx, m)
	if !errors.Is(lost, fault.Unavailable) {
		return lost
	}
	done.Changed, done.LostLayers, done.Lost = true, len(m.Layers), lost.Error()
	done.Manifest, err = s.amend(ctx, m.ID, func(m *Manifest) { m.Base, m.Layers = nil, nil })
	return err
}

// verifyKernel reads the kernel that the image has for its own, if it has one.
func (s *Service) verifyKernel(ctx context.Context, m Manifest) error {
	if !m.OwnKernel {
		return nil
	}
	return m.KernelProblem(s.kernels.Verify(ctx, m.ID))
}

// adoptFiles gives an image of format 1 the checksums of its files.
func (s *Service) adoptFiles(ctx context.Context, m Manifest) (Manifest, error) {
	path := s.store.RootfsPath(m)
	if _, err := s.files.Inspect(ctx, path); err != nil {
		return m, err
	}
	got, err := s.files.Read(ctx, path)
	if err != nil {
		return m, err
	}
	return s.amend(ctx, m.ID, func(m *Manifest) { m.has(got) })
}

// amend changes the manifest of an image that is still there. Its names may have
// changed since it was read.
func (s *Service) amend(ctx context.Context, id string, change func(*Manifest)) (Manifest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.ByID(ctx, id)
	if err != nil {
		return Manifest{}, err
	}
	change(&m)
	m.Damaged = "" // what is stored now is whole
	return m, s.update(ctx, m)
}

// ByID returns the image with this whole id, whatever has that for a name.
func (s *Service) ByID(ctx context.Context, id string) (Manifest, error) {
	all, err := s.store.List(ctx)
	if err != nil {
		return Manifest{}, err
	}
	for _, m := range settled(all) {
		if m.ID == id {
			return m, nil
		}
	}
	return Manifest{}, notFound(id, nil)
}

// Used is ByID for a VM that starts from the image.
func (s *Service) Used(ctx context.Context, id string) (Image, error) {
	m, err := s.ByID(ctx, id)
	if err != nil {
		return Image{}, err
	}
	return s.recall(ctx, Image{Manifest: m}), nil
}
