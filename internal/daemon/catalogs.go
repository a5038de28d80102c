package daemon

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/initramfs"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmdir"
)

// images implements vm.Images on the catalog.
type images struct{ service *image.Service }

func (i images) Resolve(ctx context.Context, name, platform string, p operation.Progress) (vm.Image, error) {
	m, err := i.service.Obtain(ctx, name, platform, p)
	if err != nil {
		return vm.Image{}, err
	}
	return i.image(m)
}

func (i images) ByID(ctx context.Context, id string) (vm.Image, error) {
	m, err := i.service.Used(ctx, id)
	if err != nil {
		return vm.Image{}, err
	}
	return i.image(m)
}

func (i images) Release(ctx context.Context, id string) error {
	_, err := i.service.Prune(ctx, id, false)
	return err
}

// image is m as a VM uses it, if one can.
func (i images) image(m image.Image) (vm.Image, error) {
	if err := i.service.Usable(m.Manifest); err != nil {
		return vm.Image{}, err
	}
	if err := i.service.Bootable(m.Manifest); err != nil {
		return vm.Image{}, err
	}
	var pin *vm.Pin
	if m.External != nil {
		pin = &vm.Pin{Bytes: m.RootfsBytes, ModifiedAt: m.External.ModifiedAt, Inode: m.External.Inode}
	}
	return vm.Image{
		Pin: pin, ID: m.ID, Digest: m.Digest, Name: m.Label(), Rootfs: i.service.Rootfs(m.Manifest),
		DiskBytes: m.DiskBytes, MemoryBytes: m.MemoryBytes, Kernel: m.Kernel, PreferKernel: m.PreferKernel, Config: m.Config,
	}, nil
}

// kernels implements vm.Kernels on the catalog.
type kernels struct {
	service  *kernel.Service
	images   *image.Service
	store    *kernelstore.Store
	archives *initramfs.Builder
	dirs     statedir.Dirs
}

func (k kernels) Obtain(ctx context.Context, name string, p operation.Progress) (vm.Kernel, error) {
	m, err := k.service.Obtain(ctx, name, p)
	if err != nil {
		return vm.Kernel{}, err
	}
	return kernelIn(k.dirs.Kernel(m.Name), m), nil
}

func (k kernels) Local(ctx context.Context, name string) (vm.Kernel, error) {
	m, err := k.service.Get(ctx, name)
	if err != nil {
		return vm.Kernel{}, err
	}
	return kernelIn(k.dirs.Kernel(m.Name), m), nil
}

func (k kernels) OfImage(ctx context.Context, imageID string) (vm.Kernel, error) {
	m, err := k.images.ByID(ctx, imageID)
	if err == nil {
		err = k.images.HasKernel(m)
	}
	if err != nil {
		return vm.Kernel{}, err
	}
	return k.read(ctx, k.dirs.Image(imageID).Kernel())
}

func (k kernels) Keep(ctx context.Context, vmID string, kept vm.Kernel) error {
	return k.store.Link(ctx, statedir.Kernel(kept.Dir), k.dirs.VM(vmID).Kernel())
}

func (k kernels) Replace(ctx context.Context, vmID, name string, may func(vm.Kernel) error) error {
	m, err := k.service.Get(ctx, name)
	if err != nil {
		return err
	}
	if err := may(kernelIn(k.dirs.Kernel(name), m)); err != nil {
		return err
	}
	return k.store.Relink(ctx, k.dirs.Kernel(name), k.dirs.VM(vmID).Kernel())
}

func (k kernels) Of(ctx context.Context, vmID, name string) (vm.Kernel, error) {
	own, err := k.read(ctx, k.dirs.VM(vmID).Kernel())
	if !errors.Is(err, fault.NotFound) {
		return own, err
	}
	if _, err := k.service.Get(ctx, name); err != nil {
		return vm.Kernel{}, err
	}
	if err := k.store.Link(ctx, k.dirs.Kernel(name), k.dirs.VM(vmID).Kernel()); err != nil {
		return vm.Kernel{}, err
	}
	return k.read(ctx, k.dirs.VM(vmID).Kernel())
}

func (k kernels) read(ctx context.Context, dir statedir.Kernel) (vm.Kernel, error) {
	m, err := k.store.Read(ctx, dir)
	if err != nil {
		return vm.Kernel{}, err
	}
	return kernelIn(dir, m), nil
}

// kernelIn is the kernel m in dir as a machine boots it.
func kernelIn(dir statedir.Kernel, m kernel.Manifest) vm.Kernel {
	found := vm.Kernel{Name: m.Name, Architecture: m.Architecture, PVH: m.PVH, Dir: string(dir), Vmlinux: dir.Vmlinux(), SHA256: m.SHA256}
	if m.ModulesSHA != "" {
		found.Modules = dir.Modules()
	}
	return found
}

func (k kernels) Initramfs(ctx context.Context, own vm.Kernel) (string, error) {
	dir := statedir.Kernel(own.Dir)
	m, err := k.store.Read(ctx, dir)
	if err != nil {
		return "", err
	}
	return k.archives.Build(ctx, m, dir)
}

// users implements image.Users on the VMs' records.
type users struct{ vms vm.Store }

func (u users) ImageUsers(ctx context.Context, imageID string) ([]string, error) {
	return u.names(ctx, func(v vm.VM) bool { return v.ImageID == imageID })
}

func (u users) names(ctx context.Context, uses func(vm.VM) bool) ([]string, error) {
	all, err := u.vms.List(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range all {
		if uses(v) {
			names = append(names, v.Name)
		}
	}
	return names, nil
}

// identities is vmdir's, and makes each host key known to SSH clients. key tells
// the user's own private key, or empty.
type identities struct {
	*vmdir.VMs
	known *sshkeys.KnownHosts
	key   func(context.Context) string
}

// AuthorizedKeys implements vm.Identities. banger's own key is let in too:
// bangerd enters with it.
func (i identities) AuthorizedKeys(ctx context.Context) ([]string, error) {
	keys, err := i.VMs.AuthorizedKeys(ctx)
	key := i.key(ctx)
	if err != nil || key == "" {
		return keys, err
	}
	own, err := sshkeys.PublicKey(key)
	return append(keys, own), err
}

func (i identities) Ensure(ctx context.Context, vmID string) (vm.Identity, error) {
	id, err := i.VMs.Ensure(ctx, vmID)
	if err != nil {
		return vm.Identity{}, err
	}
	return id, i.known.Put(vmID, id.HostPublicKey)
}

// Named implements vm.Names.
func (i identities) Named(_ context.Context, vmID, name string) error {
	return i.known.Name(vmID, name)
}
