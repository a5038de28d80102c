package server

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func (s *Server) imageRoutes(a huma.API) {
	handle(s, a, route{id: "list-images", method: http.MethodGet, path: "/images", tag: "images", summary: "List local images"}, s.listImages)
	handle(s, a, route{id: "get-image", method: http.MethodGet, path: "/images/{name}", tag: "images", summary: "Show an image"}, s.getImage)
	handle(s, a, route{
		id: "list-available-images", method: http.MethodGet, path: "/catalog/images", tag: "images",
		summary: "List the images of catalogs for this host's architecture",
	}, s.listAvailableImages)
	s.imageSaveRoute(a)
	s.imageFileRoutes(a)
	handle(s, a, route{
		id: "pull-image", method: http.MethodPost, path: "/images", tag: "images", summary: "Pull an image",
		status: http.StatusAccepted,
	}, s.pullImage)
	handleEmpty(s, a, route{
		id: "delete-image", method: http.MethodDelete, path: "/images/{name}", tag: "images",
		summary: "Delete a name of an image, and with its last name the image, which no VM may use",
	}, func(ctx context.Context, in *Named) error { return s.Images.Delete(ctx, in.Name) })
}

// users counts the VMs for each value of key.
func (s *Server) users(ctx context.Context, key func(vm.VM) string) (map[string]int, error) {
	vms, err := s.VMs.List(ctx, vm.Filter{})
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, v := range vms {
		count[key(v)]++
	}
	return count, nil
}

func byImage(v vm.VM) string  { return v.ImageID }
func byKernel(v vm.VM) string { return v.Kernel }

func (s *Server) listImages(ctx context.Context, _ *none) (api.List[api.Image], error) {
	manifests, err := s.Images.List(ctx)
	if err != nil {
		return api.List[api.Image]{}, err
	}
	users, err := s.users(ctx, byImage)
	return listOf(manifests, func(m image.Image) api.Image { return s.imageBody(m, users[m.ID]) }), err
}

func (s *Server) getImage(ctx context.Context, in *Named) (api.Image, error) {
	m, err := s.Images.Get(ctx, in.Name)
	if err != nil {
		return api.Image{}, err
	}
	users, err := s.users(ctx, byImage)
	return s.imageBody(m, users[m.ID]), err
}

// inputRef is the reference of an image whose bytes the client sends.
const inputRef = "tar:-"

func (s *Server) pullImage(ctx context.Context, in *struct{ Body api.PullImage }) (api.Operation, error) {
	req := image.PullRequest{
		Ref: in.Body.Ref, Name: in.Body.Name, Kernel: in.Body.Kernel, KernelRef: in.Body.KernelRef, DiskBytes: in.Body.DiskBytes,
		Platform: in.Body.Platform, Replace: in.Body.Replace,
	}
	subject := req.Name
	if subject == "" {
		subject = req.Ref
	}
	if req.Ref != inputRef {
		op, err := s.Operations.Start(ctx, "image.pull", subject, func(ctx context.Context, p operation.Progress) (any, error) {
			return s.madeImage(s.Images.Pull(ctx, req, p))
		})
		return operationBody(op), err
	}
	input := s.inputs.open()
	req.Input = input.reader
	op, err := s.Operations.Start(ctx, "image.pull", subject, func(ctx context.Context, p operation.Progress) (any, error) {
		defer input.close()
		stop := context.AfterFunc(ctx, func() { input.fail(context.Cause(ctx)) })
		defer stop()
		return s.madeImage(s.Images.Pull(ctx, req, p))
	})
	if err != nil {
		input.close()
		return api.Operation{}, err
	}
	input.publish(op.ID)
	return operationBody(op), nil
}

func (s *Server) kernelRoutes(a huma.API) {
	handle(s, a, route{id: "list-kernels", method: http.MethodGet, path: "/kernels", tag: "kernels", summary: "List local kernels"}, s.listKernels)
	handle(s, a, route{id: "get-kernel", method: http.MethodGet, path: "/kernels/{name}", tag: "kernels", summary: "Show a kernel"}, s.getKernel)
	handle(s, a, route{
		id: "import-kernel", method: http.MethodPost, path: "/kernels", tag: "kernels",
		summary: "Import a kernel from a directory of the host", status: http.StatusAccepted,
	}, s.importKernel)
	handle(s, a, route{
		id: "pull-kernel", method: http.MethodPost, path: "/kernels/pull", tag: "kernels",
		summary: "Pull a kernel from a catalog", status: http.StatusAccepted,
	}, s.pullKernel)
	handle(s, a, route{
		id: "list-available-kernels", method: http.MethodGet, path: "/catalog/kernels", tag: "kernels",
		summary: "List the kernels of catalogs for this host's architecture",
	}, s.listAvailableKernels)
	handle(s, a, route{
		id: "delete-kernel", method: http.MethodDelete, path: "/kernels/{name}", tag: "kernels",
		summary: "Delete a kernel; VMs and images that use it keep their own copies",
	}, func(ctx context.Context, in *Named) (api.DeletedKernel, error) {
		users, err := s.Kernels.Remove(ctx, in.Name)
		return api.DeletedKernel{KeptBy: texts(users)}, err
	})
}

func (s *Server) listKernels(ctx context.Context, _ *none) (api.List[api.Kernel], error) {
	manifests, err := s.Kernels.List(ctx)
	if err != nil {
		return api.List[api.Kernel]{}, err
	}
	users, err := s.users(ctx, byKernel)
	return listOf(manifests, func(m kernel.Manifest) api.Kernel { return kernelBody(m, users[m.Name]) }), err
}

func (s *Server) getKernel(ctx context.Context, in *Named) (api.Kernel, error) {
	m, err := s.Kernels.Get(ctx, in.Name)
	if err != nil {
		return api.Kernel{}, err
	}
	users, err := s.users(ctx, byKernel)
	return kernelBody(m, users[m.Name]), err
}

func (s *Server) listAvailableKernels(ctx context.Context, _ *none) (api.AvailableKernels, error) {
	offers, problems, err := s.Kernels.Offers(ctx)
	return api.AvailableKernels{Items: listOf(offers, offerBody).Items, Problems: problemTexts(problems)}, err
}

func (s *Server) listAvailableImages(ctx context.Context, _ *none) (api.AvailableImages, error) {
	offers, problems, err := s.Images.Offers(ctx)
	return api.AvailableImages{Items: listOf(offers, imageOfferBody).Items, Problems: problemTexts(problems)}, err
}

// problemTexts are what went wrong with catalogs: never null.
func problemTexts(problems []error) []string {
	all := make([]string, len(problems))
	for i, p := range problems {
		all[i] = p.Error()
	}
	return all
}

func (s *Server) pullKernel(ctx context.Context, in *struct{ Body api.PullKernel }) (api.Operation, error) {
	name := in.Body.Name
	if err := kernel.CheckName(name); err != nil {
		return api.Operation{}, err
	}
	op, err := s.Operations.Start(ctx, "kernel.pull", name, func(ctx context.Context, p operation.Progress) (any, error) {
		m, err := s.Kernels.Pull(ctx, name, in.Body.Force, p)
		if err != nil {
			return nil, err
		}
		return kernelBody(m, 0), nil
	})
	return operationBody(op), err
}

func (s *Server) importKernel(ctx context.Context, in *struct{ Body api.ImportKernel }) (api.Operation, error) {
	name, from := in.Body.Name, in.Body.From
	if err := kernel.CheckName(name); err != nil {
		return api.Operation{}, err
	}
	if !filepath.IsAbs(from) || strings.ContainsRune(from, 0) {
		return api.Operation{}, fault.New(fault.Invalid, "%q is not an absolute path", from)
	}
	op, err := s.Operations.Start(ctx, "kernel.import", name, func(ctx context.Context, p operation.Progress) (any, error) {
		m, err := s.Kernels.Import(ctx, name, from, p)
		if err != nil {
			return nil, err
		}
		return kernelBody(m, 0), nil
	})
	return operationBody(op), err
}
