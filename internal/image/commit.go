package image

import (
	"context"
	"errors"
	"path"
	"slices"

	"github.com/bangervm/banger/internal/operation"
)

// CommitRequest asks for an image of a VM's files.
type CommitRequest struct {
	VM      string // its name
	Base    string // id of the image that the VM was made from
	Name    string // of the new image
	Replace bool   // the name may be taken from another image
}

// Changes are the files of a VM. Their Digest, known after Unpack, is that of the tar
// that Unpack gives: the order of its files depends on nothing but their paths.
type Changes interface {
	Content
	// WriteLayer makes the directory dir if need be, and in it the file, on disk for good,
	// with what the VM changes of its image, called by the hex digits of its digest.
	WriteLayer(ctx context.Context, p operation.Progress, dir string) (Layer, error)
}

// CheckCommit says what of a request Commit would refuse at once.
func (s *Service) CheckCommit(ctx context.Context, req CommitRequest) error {
	if err := ValidateName(req.Name); err != nil {
		return err
	}
	all, err := s.List(ctx)
	if err != nil || req.Replace {
		return err
	}
	for _, m := range all {
		if m.Name == req.Name {
			return wish{name: Name{Name: req.Name}, vm: req.VM}.taken(m.Manifest, m.Ref)
		}
	}
	return nil
}

// Commit makes an image of the files in content, with the configuration, the kernel and
// the layers of the image Base, and one layer more. A name that another image has is a
// Conflict unless req replaces it. It is Unavailable when files of Base are missing or have
// changed, since content was read over them. When it ends with an error, or ctx is cancelled,
// nothing has changed. Progress has the stages layer, those of content, and commit.
func (s *Service) Commit(ctx context.Context, req CommitRequest, content Changes, p operation.Progress) (Image, error) {
	if err := s.CheckCommit(ctx, req); err != nil {
		return Image{}, err
	}
	base, err := s.ByID(ctx, req.Base)
	if err != nil {
		return Image{}, err
	}
	if err := errors.Join(s.Whole(ctx, base), s.verifyKernel(ctx, base)); err != nil {
		return Image{}, err
	}
	w := wish{
		name: Name{Name: req.Name, Ref: vmScheme + req.VM}, replace: req.Replace,
		kernel: base.Kernel, own: base.OwnKernel, vm: req.VM, base: base.ID, configFormat: base.ConfigFormat, changes: content,
	}
	end, err := s.begin(ctx, w)
	if err != nil {
		return Image{}, err
	}
	defer end()
	return s.build(ctx, w, content, p)
}

// identity is what is a VM's and not its system's: who it is, what of it must be
// secret, and what banger writes at each start.
func identity() []string {
	return []string{
		"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/machine-id", "/var/lib/dbus/machine-id",
		"/etc/ssh/ssh_host_*", "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret",
	}
}

// OfVM returns what tells the paths that an image of a VM must not have from the VM:
// those of its identity, and of the files that were placed in it. Paths are absolute.
func OfVM(placed []string) func(file string) bool {
	own := identity()
	for i := range placed {
		placed[i] = path.Clean(placed[i])
	}
	return func(file string) bool {
		return slices.Contains(placed, file) || slices.ContainsFunc(own, func(pattern string) bool {
			match, _ := path.Match(pattern, file) // the patterns are good
			return match
		})
	}
}
