package web

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// imageView is a local image, with all its names.
type imageView struct {
	Name, Digest, Kernel, Problem string
	Size                          int64
	VMs                           int
	Age                           age
}

type imagesView struct {
	Local     []imageView
	Available []api.AvailableImage
	Problems  []string
}

func (c *Console) imagesPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "images", func(ctx context.Context, s *shell) error {
		s.Title, s.Section = "Images", "images"
		local, err := c.api.ListImages(ctx)
		if err != nil {
			return err
		}
		available, err := c.api.AvailableImages(ctx)
		if err != nil {
			return err
		}
		view := imagesView{Available: available.Items, Problems: available.Problems}
		for _, i := range local {
			view.Local = append(view.Local, imageView{
				Name: i.Name, Digest: shortDigest(i.Digest), Kernel: i.Kernel, Problem: i.Problem,
				Size: i.DiskUsage, VMs: i.VMs, Age: ageOf(c.now(), &i.CreatedAt),
			})
		}
		s.Body = view
		return nil
	})
}

// shortDigest is as much of a digest as tells one from another.
func shortDigest(digest string) string {
	const most = len("sha256:") + 12
	return digest[:min(len(digest), most)]
}

func (c *Console) pullImage(w http.ResponseWriter, r *http.Request) {
	ref := r.PostForm.Get("ref")
	if ref == "" {
		c.fail(w, r, fault.New(fault.Invalid, "no reference was given").WithHint("for example debian:bookworm"))
		return
	}
	op, err := c.api.PullImage(r.Context(), api.PullImage{Ref: ref})
	c.done(w, r, operationPath(op.ID), "", err)
}

func (c *Console) deleteImage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	c.done(w, r, "/images", "Deleted "+name, c.api.DeleteImage(r.Context(), name))
}

type kernelsView struct {
	Local     []api.Kernel
	Available []api.AvailableKernel
	Problems  []string
}

func (c *Console) kernelsPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "kernels", func(ctx context.Context, s *shell) error {
		s.Title, s.Section = "Kernels", "kernels"
		local, err := c.api.ListKernels(ctx)
		if err != nil {
			return err
		}
		available, err := c.api.AvailableKernels(ctx)
		if err != nil {
			return err
		}
		s.Body = kernelsView{Local: local, Available: available.Items, Problems: available.Problems}
		return nil
	})
}

func (c *Console) pullKernel(w http.ResponseWriter, r *http.Request) {
	op, err := c.api.PullKernel(r.Context(), api.PullKernel{Name: r.PostForm.Get("kernel")})
	c.done(w, r, operationPath(op.ID), "", err)
}
