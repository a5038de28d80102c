package vm_test

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// points counts the passages of a verb through its seams, and has something
// happen at the one that is wanted.
type points struct {
	mu     sync.Mutex
	passed []string
	at     int // index of the point at which do is called; -1: none
	do     func() error
}

func (p *points) pass(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed = append(p.passed, name)
	if p.do != nil && len(p.passed)-1 == p.at {
		if err := p.do(); err != nil {
			return err
		}
		return ctx.Err()
	}
	return nil
}

func (p *points) reset(at int, do func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed, p.at, p.do = nil, at, do
}

// memoryStore is a vm.Store in memory.
type memoryStore struct {
	mu  sync.Mutex
	vms []vm.VM
}

func (s *memoryStore) Insert(_ context.Context, v vm.VM) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken(v.Name, v.ID) {
		return fault.New(fault.Conflict, "the name %q is already in use", v.Name)
	}
	if slices.ContainsFunc(s.vms, func(other vm.VM) bool { return other.Index == v.Index }) {
		return fault.Wrap(fault.Conflict, vm.ErrIndexTaken, "store VM %s", v.Name)
	}
	s.vms = append(s.vms, v)
	return nil
}

func (s *memoryStore) taken(name, exceptID string) bool {
	return slices.ContainsFunc(s.vms, func(v vm.VM) bool { return v.Name == name && v.ID != exceptID })
}

func (s *memoryStore) Lookup(_ context.Context, ref string, limit int) ([]vm.VM, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []vm.VM
	for _, v := range s.vms {
		if v.Name == ref || strings.HasPrefix(v.ID, ref) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b vm.VM) int {
		if (a.Name == ref) != (b.Name == ref) {
			if a.Name == ref {
				return -1
			}
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	return found[:min(limit, len(found))], nil
}

func (s *memoryStore) List(context.Context) ([]vm.VM, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.vms)
	slices.SortFunc(all, func(a, b vm.VM) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

func (s *memoryStore) Update(_ context.Context, id string, change func(*vm.VM) error) (vm.VM, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, v := range s.vms {
		if v.ID != id {
			continue
		}
		if err := change(&v); err != nil {
			return vm.VM{}, err
		}
		if s.taken(v.Name, id) {
			return vm.VM{}, fault.New(fault.Conflict, "the name %q is already in use", v.Name)
		}
		s.vms[i] = v
		return v, nil
	}
	return vm.VM{}, fault.New(fault.NotFound, "no VM with the id %s", id)
}

func (s *memoryStore) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vms = slices.DeleteFunc(s.vms, func(v vm.VM) bool { return v.ID == id })
	return nil
}

// pointedStore is a store with points at what a verb itself does.
type pointedStore struct {
	vm.Store
	points *points
}

func (s pointedStore) Insert(ctx context.Context, v vm.VM) error {
	if err := s.points.pass(ctx, "insert"); err != nil {
		return err
	}
	return s.Store.Insert(ctx, v)
}

func (s pointedStore) Update(ctx context.Context, id string, change func(*vm.VM) error) (vm.VM, error) {
	// Records of what happened are written with their own deadline, also
	// by the watches, whose order is not the test's.
	if _, record := ctx.Deadline(); !record {
		if err := s.points.pass(ctx, "update"); err != nil {
			return vm.VM{}, err
		}
	}
	return s.Store.Update(ctx, id, change)
}

// fakeDisks is a vm.Disks and vm.Identities in memory.
type fakeDisks struct {
	points *points

	mu         sync.Mutex
	bytes      map[string]int64
	identities map[string]vm.Identity
	names      map[string]string
}

func newFakeDisks(p *points) *fakeDisks {
	return &fakeDisks{points: p, bytes: map[string]int64{}, identities: map[string]vm.Identity{}, names: map[string]string{}}
}

func (d *fakeDisks) Create(ctx context.Context, id string, bytes int64) error {
	d.mu.Lock()
	d.bytes[id] = bytes // half-made when the point fails
	d.mu.Unlock()
	return d.points.pass(ctx, "disk")
}

func (d *fakeDisks) Grow(ctx context.Context, id string, bytes int64) error {
	if err := d.points.pass(ctx, "grow"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes[id] = bytes
	return nil
}

func (d *fakeDisks) Path(id string) string { return "/vms/" + id + "/disk.ext4" }

func (d *fakeDisks) Remove(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.bytes, id)
	delete(d.identities, id)
	return nil
}

func (d *fakeDisks) Sweep(context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []string
	for id := range d.bytes {
		ids = append(ids, id)
	}
	return ids, nil
}

func (d *fakeDisks) Ensure(ctx context.Context, id string) (vm.Identity, error) {
	if err := d.points.pass(ctx, "identity"); err != nil {
		return vm.Identity{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.identities[id]; !ok {
		d.identities[id] = vm.Identity{MachineID: "machine of " + id, Token: "token", HostKey: "key"}
	}
	return d.identities[id], nil
}

func (d *fakeDisks) AuthorizedKeys(ctx context.Context) ([]string, error) {
	return []string{"ssh-ed25519 AAAA"}, d.points.pass(ctx, "keys")
}

func (d *fakeDisks) Named(ctx context.Context, id, name string) error {
	if name != "" {
		if err := d.points.pass(ctx, "name"); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[id] = name
	if name == "" {
		delete(d.names, id)
	}
	return nil
}

func (d *fakeDisks) name(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[id]
}

func (d *fakeDisks) size(id string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes[id]
}

func (d *fakeDisks) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.bytes)
}

// fakeCatalog is vm.Images and vm.Kernels with one of each, and some that do
// not fit.
type fakeCatalog struct {
	points *points
	kernel string // of its image
	prefer string // the kernel that suits it
	cmd    []string
	health *image.HealthCheck
}

func (c fakeCatalog) Resolve(ctx context.Context, name, _ string, _ operation.Progress) (vm.Image, error) {
	if err := c.points.pass(ctx, "image"); err != nil {
		return vm.Image{}, err
	}
	switch name {
	case "debian":
		return c.image(), nil
	case "heavy": // ByID knows it by the one ID that there is
		return vm.Image{ID: c.image().ID, Name: "heavy", MemoryBytes: 3 * gib, DiskBytes: 20 * gib}, nil
	}
	return vm.Image{}, fault.New(fault.NotFound, "no image named %q", name).WithHint("banger image list")
}

func (c fakeCatalog) ByID(ctx context.Context, id string) (vm.Image, error) {
	if err := c.points.pass(ctx, "image by id"); err != nil {
		return vm.Image{}, err
	}
	if id != c.image().ID {
		return vm.Image{}, fault.New(fault.NotFound, "no image %s", id)
	}
	return c.image(), nil
}

// Release is nothing to images that have names.
func (c fakeCatalog) Release(ctx context.Context, id string) error {
	return c.points.pass(ctx, "release "+id)
}

func (c fakeCatalog) image() vm.Image {
	return vm.Image{
		ID: "0123456789ab", Name: "debian", Rootfs: "/images/rootfs.ext4", Kernel: c.kernel, PreferKernel: c.prefer,
		Pin:    &vm.Pin{Bytes: 7, ModifiedAt: time.Unix(8, 9), Inode: 10},
		Config: image.Config{Env: []string{"PATH=/bin", "A=image"}, WorkingDir: "/srv", User: "app", Volumes: []string{"/data"}, Cmd: c.cmd, HealthCheck: c.health},
	}
}

type fakeKernels struct {
	points *points
	mu     sync.Mutex
	kept   map[string]string // the kernel of each VM, by id
	own    *vm.Kernel        // the image's, if it has one
}

func (k *fakeKernels) Obtain(ctx context.Context, name string, _ operation.Progress) (vm.Kernel, error) {
	if err := k.points.pass(ctx, "kernel"); err != nil {
		return vm.Kernel{}, err
	}
	if name != "" && name != "debian-12" {
		return vm.Kernel{}, fault.New(fault.NotFound, "no kernel named %q", name)
	}
	return k.named("debian-12"), nil
}

func (*fakeKernels) named(name string) vm.Kernel {
	return vm.Kernel{Name: name, Architecture: "amd64", Vmlinux: "/vmlinux", Modules: "/modules.ext4"}
}

// Local has "suits", and "damaged" that cannot be used.
func (k *fakeKernels) Local(_ context.Context, name string) (vm.Kernel, error) {
	switch name {
	case "suits":
		return k.named(name), nil
	case "damaged":
		return vm.Kernel{}, fault.New(fault.Unavailable, "kernel %s is damaged", name)
	}
	return vm.Kernel{}, fault.New(fault.NotFound, "no kernel named %q", name)
}

func (k *fakeKernels) OfImage(ctx context.Context, _ string) (vm.Kernel, error) {
	if k.own == nil {
		return vm.Kernel{}, fault.New(fault.NotFound, "none")
	}
	return *k.own, k.points.pass(ctx, "kernel of image")
}

func (k *fakeKernels) Keep(ctx context.Context, vmID string, kept vm.Kernel) error {
	if err := k.points.pass(ctx, "keep kernel"); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept[vmID] = kept.Name
	return nil
}

func (k *fakeKernels) Replace(ctx context.Context, vmID, name string, may func(vm.Kernel) error) error {
	if name != "debian-12" && name != "newer" {
		return fault.New(fault.NotFound, "no kernel named %q", name)
	}
	if err := may(k.named(name)); err != nil {
		return err
	}
	return k.Keep(ctx, vmID, k.named(name))
}

func (k *fakeKernels) Of(ctx context.Context, vmID, name string) (vm.Kernel, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if own, ok := k.kept[vmID]; ok {
		name = own
	}
	return k.named(name), k.points.pass(ctx, "own kernel")
}

func (k *fakeKernels) Initramfs(ctx context.Context, own vm.Kernel) (string, error) {
	return "/initramfs/" + own.Name, k.points.pass(ctx, "initramfs")
}

type fakeHost struct {
	points *points
	facts  vm.HostFacts

	noNesting error
	// consoleCosts are drivers on which it does.
	consoleCosts map[string]bool
	boots        func(driver string, k vm.Kernel) error // nil: each driver boots each kernel
	// chosen is the driver without a name, and broken are drivers that cannot be used.
	chosen string
	broken map[string]error
}

func (h *fakeHost) Facts(ctx context.Context) (vm.HostFacts, error) {
	return h.facts, h.points.pass(ctx, "facts")
}

func (h *fakeHost) Driver(ctx context.Context, name string, ask vm.DriverAsk) (vm.Driver, error) {
	if name == "" {
		name = cmp.Or(h.chosen, "qemu-tcg")
	}
	d := vm.Driver{Name: name, VMM: "/usr/bin/qemu-system-x86_64", ConsoleCosts: h.consoleCosts[name]}
	if err := h.broken[name]; err != nil {
		return d, err
	}
	if ask.Nested && h.noNesting != nil {
		return d, h.noNesting
	}
	if h.boots != nil && ask.Kernel.Name != "" {
		if err := h.boots(name, ask.Kernel); err != nil {
			return d, err
		}
	}
	return d, h.points.pass(ctx, "driver")
}

// fakeHostPorts has no port but those that are taken.
type fakeHostPorts struct{ taken map[netip.AddrPort]bool }

func (p *fakeHostPorts) Free(_ context.Context, proto string, addr netip.AddrPort) error {
	if p.taken[addr] {
		return fault.New(fault.Conflict, "%s/%s is taken", addr, proto).WithHint("choose another port")
	}
	return nil
}

// fakePorts says that a port is open when something is sent on its channel.
type fakePorts struct{ open chan struct{} }

func (p *fakePorts) WaitPort(ctx context.Context, _ string, _ int) error {
	select {
	case <-p.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
