package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// kernelUsers implements kernel.Users: VMs and images, each of which has, or gets, a
// its own kernel.
type kernelUsers struct {
	vms    vm.Store
	images func() *image.Service
	store  *kernelstore.Store
	dirs   statedir.Dirs
}

func (u kernelUsers) Release(ctx context.Context, name string) (users []string, err error) {
	vms, err := u.vms.List(ctx)
	if err != nil {
		return nil, err
	}
	images, err := u.images().List(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range vms {
		if v.Kernel != name {
			continue
		}
		own, err := u.has(ctx, u.dirs.VM(v.ID).Kernel())
		if err != nil {
			return nil, err
		}
		// A machine that lives was started with the paths of its time.
		if !own && v.State.Alive() {
			return nil, fault.New(fault.Conflict, "kernel %s is used by VM %s, which has been running since before each VM had its own kernel", name, v.Name).
				WithHint("restart the VM, and try again")
		}
		if err := u.store.Link(ctx, u.dirs.Kernel(name), u.dirs.VM(v.ID).Kernel()); err != nil {
			return nil, err
		}
		users = append(users, "VM "+v.Name)
	}
	for _, m := range images {
		if m.Kernel != name {
			continue
		}
		if err := u.store.Link(ctx, u.dirs.Kernel(name), u.dirs.Image(m.ID).Kernel()); err != nil {
			return nil, err
		}
		users = append(users, "image "+cmp.Or(m.Name, m.ID))
	}
	return users, nil
}

func (u kernelUsers) has(ctx context.Context, dir statedir.Kernel) (bool, error) {
	_, err := u.store.Read(ctx, dir)
	if errors.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// imageKernels implements image.Kernels.
type imageKernels struct {
	service *kernel.Service
	store   *kernelstore.Store
	dirs    statedir.Dirs
	images  *image.Service
	vms     vm.Store
}

func (k imageKernels) Look(imageID string) error {
	_, err := k.store.Look(k.dirs.Image(imageID).Kernel())
	return err
}

func (k imageKernels) Verify(ctx context.Context, imageID string) error {
	return k.store.Verify(ctx, k.dirs.Image(imageID).Kernel())
}

func (k imageKernels) Restore(ctx context.Context, imageID, name string, p operation.Progress) error {
	to, local := k.dirs.Image(imageID).Kernel(), k.dirs.Kernel(name)
	places, err := k.places(ctx)
	if err != nil {
		return err
	}
	if had, err := k.store.Expected(to); err == nil {
		for _, from := range places {
			m, err := k.store.Read(ctx, from)
			same := err == nil && m.SHA256 == had.SHA256 && m.Initrd == had.Initrd && m.ModulesSHA == had.ModulesSHA && m.BootModulesSHA256 == had.BootModulesSHA256
			if same && k.store.Verify(ctx, from) == nil {
				p.Detail("kernel %s %s", name, m.Version)
				return k.store.Relink(ctx, from, to)
			}
		}
	}
	m, err := k.store.Read(ctx, local)
	if err == nil {
		err = k.store.Verify(ctx, local)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "no whole copy of kernel %s is left", name).
			WithHint("get the kernel again, and try again: %s", act.KernelPull.On(name, act.Force))
	}
	p.Detail("kernel %s as it is now: %s", name, m.Version)
	return k.store.Relink(ctx, local, to)
}

// places are where kernels may be: in their own directories, those of images and of VMs.
func (k imageKernels) places(ctx context.Context) ([]statedir.Kernel, error) {
	kernels, err := k.service.List(ctx)
	if err != nil {
		return nil, err
	}
	images, err := k.images.List(ctx)
	if err != nil {
		return nil, err
	}
	vms, err := k.vms.List(ctx)
	if err != nil {
		return nil, err
	}
	var all []statedir.Kernel
	for _, m := range kernels {
		all = append(all, k.dirs.Kernel(m.Name))
	}
	for _, m := range images {
		all = append(all, k.dirs.Image(m.ID).Kernel())
	}
	for _, v := range vms {
		all = append(all, k.dirs.VM(v.ID).Kernel())
	}
	return all, nil
}

func (k imageKernels) Check(ctx context.Context, name string) error {
	_, err := k.service.Get(ctx, name)
	return err
}

func (k imageKernels) KeepOf(ctx context.Context, imageID, dir string) error {
	return k.store.Link(ctx, k.dirs.Image(imageID).Kernel(), statedir.Kernel(dir))
}

func (k imageKernels) Build(ctx context.Context, name string, files image.BootFiles, dir string, p operation.Progress) (err error) {
	src, parts, err := kernelstore.OpenFiles(files.Kernel, files.Initrd, files.Modules)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if _, err := k.service.BuildFrom(ctx, name, src, parts, dir, p); err != nil {
		return fmt.Errorf("%s: %w", files.Kernel, err)
	}
	return nil
}

func (k imageKernels) Keep(ctx context.Context, name, dir string) error {
	return k.store.Link(ctx, k.dirs.Kernel(name), statedir.Kernel(dir))
}
