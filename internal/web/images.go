package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// imageView is a local image under one of its names.
type imageView struct {
	Name, Says, Digest, Kernel, Problem string
	Size                                int64
	VMs                                 []string // that use it
	Age                                 age
	Acts                                []button
}

type imagesView struct {
	Local       []imageView
	Available   []api.AvailableImage
	Problems    []string
	Operations  []operationView // of images
	OnDisk      int64
	Reclaimable int64
	Command     string
}

func (c *Console) imagesPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "images", func(ctx context.Context, s *shell) error {
		s.Title, s.Section, s.Live = "Images", "images", livePath(pageImages, url.Values{})
		local, err := c.api.ListImages(ctx)
		if err != nil {
			return err
		}
		available, err := c.api.AvailableImages(ctx)
		if err != nil {
			return err
		}
		view := imagesView{Available: available.Items, Problems: available.Problems, Command: pullCommand(nil, nil)}
		if view.OnDisk, view.Reclaimable, err = c.diskOf(ctx, "images"); err != nil {
			return err
		}
		view.Operations = c.runningOf(s.scene, "image.", s.Token)
		for _, i := range local {
			view.Local = append(view.Local, c.viewImage(i, s.users(i.ID)))
		}
		s.Body = view
		return nil
	})
}

// users are the VMs that use an image.
func (s *shell) users(image string) (names []string) {
	for _, v := range s.scene.vms {
		if v.vm.ImageID == image {
			names = append(names, v.vm.Name)
		}
	}
	slices.Sort(names)
	return names
}

// diskOf is what one type of files takes on the host's disk.
func (c *Console) diskOf(ctx context.Context, what string) (size, reclaimable int64, err error) {
	usage, err := c.api.DiskUsage(ctx)
	for _, use := range usage.Items {
		if use.Type == what {
			size = use.SizeBytes
		}
	}
	return size, usage.ReclaimableBytes, err
}

func (c *Console) viewImage(i api.Image, users []string) imageView {
	v := imageView{
		Name: i.Name, Digest: shortDigest(i.Digest), Kernel: i.Kernel, Problem: i.Problem, Size: i.DiskUsage, VMs: users, Age: ageOf(c.now(), &i.CreatedAt),
	}
	switch {
	case i.Foreign:
		v.Says = "for " + i.OS + "/" + i.Architecture + ": it does not boot here"
	case i.External != "":
		v.Says = "registered: " + i.External
	case i.Ref != i.Name:
		v.Says = i.Ref
	}
	if i.Name == "" {
		return v
	}
	promote := button{Do: "promote", Word: "Promote", Command: cmdline.Typed("image", "promote", i.Name)}
	if i.External == "" {
		promote.Why = "banger has its filesystem already"
	}
	remove := button{Word: "Delete…", Command: cmdline.Line(act.ImageDelete.On(i.Name)), Danger: true, Page: imagePage("delete", i.Name)}
	if i.VMs > 0 {
		remove.Why = "Used by " + fault.Count(i.VMs, "VM") + ": delete them first, or tag it"
	}
	v.Acts = []button{
		promote,
		{Do: "verify", Word: "Verify", Command: cmdline.Typed("image", "verify", i.Name)},
		{Do: "repair", Word: "Repair", Command: cmdline.Line(act.ImageRepair.On(i.Name))},
		{Word: "Tag…", Command: cmdline.Typed("image", "tag", i.Name, "NEW"), Page: imagePage("tag", i.Name)},
		remove,
	}
	return v
}

// shortDigest is as much of a digest as tells one from another.
func shortDigest(digest string) string {
	const most = len("sha256:") + 12
	return digest[:min(len(digest), most)]
}
