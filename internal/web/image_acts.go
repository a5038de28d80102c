package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// imagePage is a page that asks about an image, whose name may have slashes.
func imagePage(page, name string) string {
	return "/images/" + page + "?" + url.Values{"name": {name}}.Encode()
}

// imageAct does what a button of the images' page says.
func (c *Console) imageAct(w http.ResponseWriter, r *http.Request) {
	ctx, form := r.Context(), r.PostForm
	name := form.Get("name")
	var op api.Operation
	var err error
	switch do := form.Get("do"); do {
	case "pull":
		if strings.TrimSpace(form.Get("ref")) == "" {
			c.fail(w, r, fault.New(fault.Invalid, "no reference was given").WithHint("for example debian:bookworm"))
			return
		}
		op, err = c.api.PullImage(ctx, api.PullImage{Ref: strings.TrimSpace(form.Get("ref")), Name: name, Replace: form.Get("replace") != ""})
	case "promote":
		op, err = c.api.PromoteImage(ctx, name)
	case "verify":
		op, err = c.api.VerifyImage(ctx, name)
	case "repair":
		op, err = c.api.RepairImage(ctx, name)
	case "register":
		op, err = c.api.RegisterImage(ctx, api.RegisterImage{
			Name: name, Rootfs: form.Get("rootfs"), KernelRef: form.Get("kernel_ref"), Replace: form.Get("replace") != "",
		})
	case "tag":
		_, err = c.api.TagImage(ctx, name, api.TagImage{Name: form.Get("new"), Replace: form.Get("replace") != ""})
		c.done(w, r, "/images", "Tagged "+name+" as "+form.Get("new"), err)
		return
	case "delete":
		c.done(w, r, "/images", "Deleted "+name, c.api.DeleteImage(ctx, name))
		return
	default:
		err = fault.New(fault.Invalid, "the console cannot do %q to an image", do)
	}
	c.done(w, r, operationPath(op.ID), "", err)
}

// imageAsk is the body of the pages that ask about an image.
type imageAsk struct {
	Image      api.Image
	Others     []string // its other names
	Users      []string // VMs
	Kernels    []api.Kernel
	Name, Path string // as typed so far
	Command    string
}

func (c *Console) askImage(page, title string, ask func(*imageAsk) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.page(w, r, page, func(ctx context.Context, s *shell) error {
			name := r.URL.Query().Get("name")
			image, err := c.api.GetImage(ctx, name)
			if err != nil {
				return err
			}
			view := imageAsk{Image: image, Name: name, Users: s.users(image.ID)}
			all, err := c.api.ListImages(ctx)
			for _, other := range all {
				if other.ID == image.ID && other.Name != name {
					view.Others = append(view.Others, other.Name)
				}
			}
			view.Command = ask(&view)
			s.Title, s.Section, s.Body = title+" "+name, "images", view
			return err
		})
	}
}

func (c *Console) imageDeletePage(w http.ResponseWriter, r *http.Request) {
	c.askImage("image-delete", "Delete", func(a *imageAsk) string { return cmdline.Line(act.ImageDelete.On(a.Name)) })(w, r)
}

func (c *Console) imageTagPage(w http.ResponseWriter, r *http.Request) {
	c.askImage("image-tag", "Tag", func(a *imageAsk) string { return tagCommand(url.Values{"name": {a.Name}}, nil) })(w, r)
}

func (c *Console) registerPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "image-register", func(ctx context.Context, s *shell) error {
		kernels, err := c.api.ListKernels(ctx)
		path := r.URL.Query().Get("rootfs")
		s.Title, s.Section = "Register an image", "images"
		s.Body = imageAsk{Kernels: kernels, Path: path, Command: registerCommand(url.Values{"rootfs": {path}}, nil)}
		return err
	})
}
