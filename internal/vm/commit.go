package vm

import (
	"context"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

// Commits makes images of VMs.
type Commits interface {
	// Commit makes the image that req asks for, of the files that the guest of the disk
	// sees. Of the files placed, by their paths in the guest, it has none.
	Commit(ctx context.Context, req image.CommitRequest, disk string, placed []string, p operation.Progress) (image.Image, error)
}

// Commit makes an image of a VM's files, its system and its homes. A VM that is alive,
// or that a reset waits for, is a Conflict; while it works the VM cannot start.
func (s *Service) Commit(ctx context.Context, name, imageName string, replace bool, p operation.Progress) (image.Image, error) {
	v, release, err := s.claimed(ctx, name, "commit")
	if err != nil {
		return image.Image{}, err
	}
	defer release()
	switch {
	case v.State.Alive(), v.State == Suspended: // some of its files are in its memory
		return image.Image{}, fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).Try(act.VMStop.On(v.Name))
	case v.ResetPending:
		return image.Image{}, fault.New(fault.Conflict, "VM %s was reset, which is done when it starts", v.Name).Try(act.VMStart.On(v.Name))
	}
	var placed []string
	if s.deps.Files != nil {
		files, _ := s.deps.Files(ctx)
		for _, f := range files {
			placed = append(placed, f.Path)
		}
	}
	req := image.CommitRequest{VM: v.Name, Base: v.ImageID, Name: imageName, Replace: replace}
	return s.deps.Commits.Commit(ctx, req, s.deps.Disks.Path(v.ID), placed, p)
}
