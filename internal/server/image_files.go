package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

// imageFileRoutes are those about the files and names of images that are here.
func (s *Server) imageFileRoutes(a huma.API) {
	handle(s, a, route{
		id: "register-image", method: http.MethodPost, path: "/images/register", tag: "images",
		summary: "Make an image of a root filesystem of the user's, which stays where it is", status: http.StatusAccepted,
	}, s.registerImage)
	handle(s, a, route{
		id: "tag-image", method: http.MethodPost, path: "/images/{name}/tag", tag: "images", summary: "Give an image another name",
	}, s.tagImage)
	for _, work := range []struct {
		verb, summary string
		do            func(ctx context.Context, name string, p operation.Progress) (any, error)
	}{
		{"promote", "Copy the root filesystem of a registered image into banger's directory", func(ctx context.Context, name string, p operation.Progress) (any, error) {
			return s.madeImage(s.Images.Promote(ctx, name, p))
		}},
		{"verify", "Read the files of an image; the operation fails if they are missing or have changed", func(ctx context.Context, name string, p operation.Progress) (any, error) {
			return s.madeImage(s.Images.Verify(ctx, name, p))
		}},
		{"repair", "Make the files of an image again if they are missing or have changed", s.repairImage},
	} {
		handle(s, a, route{
			id: work.verb + "-image", method: http.MethodPost, path: "/images/{name}/" + work.verb, tag: "images",
			summary: work.summary, status: http.StatusAccepted,
		}, func(ctx context.Context, in *Named) (api.Operation, error) {
			op, err := s.Operations.Start(ctx, "image."+work.verb, in.Name, func(ctx context.Context, p operation.Progress) (any, error) {
				return work.do(ctx, in.Name, p)
			})
			return operationBody(op), err
		})
	}
}

func (s *Server) repairImage(ctx context.Context, name string, p operation.Progress) (any, error) {
	done, err := s.Images.Repair(ctx, name, p)
	if err != nil {
		return nil, err
	}
	return api.RepairedImage{Image: s.imageBody(done.Image, 0), Changed: done.Changed, LostLayers: done.LostLayers, Lost: done.Lost}, nil
}

func (s *Server) registerImage(ctx context.Context, in *struct{ Body api.RegisterImage }) (api.Operation, error) {
	b := in.Body
	req := image.RegisterRequest{
		Name: b.Name, Rootfs: b.Rootfs, Boot: image.BootFiles{Kernel: b.Kernel, Initrd: b.Initrd, Modules: b.Modules},
		KernelRef: b.KernelRef, DiskBytes: b.DiskBytes, Replace: b.Replace,
	}
	op, err := s.Operations.Start(ctx, "image.register", b.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		return s.madeImage(s.Images.Register(ctx, req, p))
	})
	return operationBody(op), err
}

func (s *Server) tagImage(ctx context.Context, in *struct {
	Named
	Body api.TagImage
},
) (api.Image, error) {
	m, err := s.Images.Tag(ctx, in.Name, in.Body.Name, in.Body.Replace)
	if err != nil {
		return api.Image{}, err
	}
	users, err := s.users(ctx, byImage)
	return s.imageBody(m, users[m.ID]), err
}

// madeImage is the result of an operation.
func (s *Server) madeImage(m image.Image, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return s.imageBody(m, 0), nil
}

// imageBody has what the image takes on the disk, and what a look at its files tells.
func (s *Server) imageBody(m image.Image, vms int) api.Image {
	body := imageBody(m, vms, s.Daemon.ImageDiskUsage(m.ID))
	err := s.Images.Usable(m.Manifest)
	if err == nil {
		err = s.Images.HasKernel(m.Manifest)
	}
	if err != nil {
		body.Damaged, body.Problem = true, err.Error()
	} else if err := s.Images.Bootable(m.Manifest); err != nil {
		body.Foreign, body.Problem = true, err.Error()
	}
	return body
}
