package image

import (
	"errors"
	"fmt"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// identity is what two images with the same files have in common: the digest, or
// what a file of the user's is told by.
func (m Manifest) identity() string {
	switch {
	case m.Digest != "":
		return m.Digest
	case m.External != nil:
		return m.External.identity(m.RootfsBytes)
	default:
		return "sha256:" + m.RootfsSHA256
	}
}

func (e External) identity(bytes int64) string {
	return fmt.Sprintf("%s (%s, changed %s, inode %d)", e.Path, fault.Bytes(bytes), e.ModifiedAt.Format(time.RFC3339Nano), e.Inode)
}

// has notes what the image's filesystem is.
func (m *Manifest) has(f Filesystem) {
	m.RootfsBytes, m.RootfsSHA256, m.RootfsUUID = f.Bytes, f.SHA256, f.UUID
}

// Rootfs is the path of the image's filesystem.
func (s *Service) Rootfs(m Manifest) string { return s.store.RootfsPath(m) }

// Usable returns nil if VMs can start from the image, as far as a look at its file
// tells, and else what is wrong: a fault Unavailable.
func (s *Service) Usable(m Manifest) error {
	path := s.store.RootfsPath(m)
	now, err := s.store.Stat(path)
	return m.Problem(path, now, err)
}

// HasKernel returns nil if the image has the kernel that it is to have for its own, as far
// as a look at the files tells, and else a fault Unavailable. Only VMs that are to be
// made need it: each keeps a copy.
func (s *Service) HasKernel(m Manifest) error {
	if !m.OwnKernel {
		return nil
	}
	return m.KernelProblem(s.kernels.Look(m.ID))
}

// KernelProblem is what is wrong with the kernel that the image has for its own, by what
// reading it told: NotFound and Unavailable are a fault Unavailable here.
func (m Manifest) KernelProblem(err error) error {
	if errors.Is(err, fault.NotFound) || errors.Is(err, fault.Unavailable) {
		return fault.Wrap(fault.Unavailable, err, "image %s has lost its kernel %s", m.Label(), m.Kernel).
			WithHint("to give it a copy again: %s", act.ImageRepair.On(m.Label()))
	}
	return err
}

// Problem is what is wrong with the file at path that is to have the image's
// filesystem, by what a look at it told: a fault Unavailable, or nil.
func (m Manifest) Problem(path string, now FileState, err error) error {
	switch {
	case m.Damaged != "":
		return m.damage()
	case errors.Is(err, fault.NotFound):
		err := m.broken("its file %s is missing", path)
		if m.External != nil {
			return err.WithHint("put the file back; or, if it is gone for good: %s", act.ImageDelete.On(m.Label()))
		}
		return err
	case err != nil:
		return err
	case now.Directory:
		return m.broken("%s is a directory, not a file", path)
	case now.Bytes != m.RootfsBytes:
		return m.broken("its file %s has %d bytes, not %d", path, now.Bytes, m.RootfsBytes)
	case m.External != nil && (now.Inode != m.External.Inode || !now.ModifiedAt.Equal(m.External.ModifiedAt)):
		return m.broken("its file %s has changed since it was registered", path)
	}
	return nil
}

// Label is the image's first name, or else its id.
func (m Manifest) Label() string {
	if len(m.Names) == 0 {
		return m.ID
	}
	return m.Names[0].Name
}

func (m Manifest) broken(format string, args ...any) *fault.Error {
	err := fault.New(fault.Unavailable, "image %s cannot be used: %s", m.Label(), fmt.Sprintf(format, args...))
	if m.External != nil {
		return err.WithHint("put the file back as it was; or, to take it as it is now: %s", act.ImageRepair.On(m.Label()))
	}
	return err.WithHint("to make it again: %s", act.ImageRepair.On(m.Label()))
}
